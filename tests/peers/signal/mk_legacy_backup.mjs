// Writes a synthetic legacy Signal-Android .backup, or reads one and checks every MAC. Needs no package.
//
//   mk_legacy_backup.mjs OUT [options]
//   mk_legacy_backup.mjs --read FILE [PASSPHRASE]      prints frame, row and blob counts as JSON
//
// Content is a function of the seed alone: the same options give the same rows and bytes in every run, and a night, a shifted
// window or another container version changes only what it should. Salt and IV are random unless --salt-seed is given.
//
//   --seed S               (1)      everything: texts, contacts, keys, attachment and avatar bytes
//   --salt-seed S                   derive salt and IV too: byte-identical files
//   --pass P                        passphrase
//   --version 0|1          (1)      container version
//   --messages N           (200)    ordinary messages, one a minute
//   --first F              (1)      number of the first one: --first 161 --messages 120 shares 161…200 with --messages 200
//   --id-base B            (0)      added to recipient and thread ids, as on another installation
//   --attach N             (10)     attachments, spread evenly
//   --attach-at LIST                instead: one attachment at each of these message numbers, e.g. 165,175
//   --attach-size BYTES    (20000)
//   --backup-time MS                when the backup is made (an hour after the last message)
//   --expiring K           (0)      further messages with a timer; see EXPIRY_CASES
//   --view-once K          (0)      further view-once messages: incoming, incoming and already viewed, outgoing, in turn
//   --omit-expiring                 leave out what Android leaves out: started timers that end within 24 h of the backup
//   --night N              (0)      N nights later; every night brings new messages, edits, deletions, and receipts
//   --night-messages M     (1000)
//   --night-edits E        (50)
//   --night-deletes D      (90)     two thirds vanish, one third are "deleted for everyone"
//   --night-attach A       (5)
//   --schema FILE                   column dump (cols223.json beside this file)
import * as crypto from 'node:crypto';
import * as fs from 'node:fs';
import { parseArgs } from 'node:util';
import { DATABASE_VERSION, RowWriter, loadSchema } from './android_schema.mjs';
import { LegacyWriter, readLegacy } from './legacy_container.mjs';
import { get, hex, seededBytes, seededChunks, seededNumber, seededUuid, sha256 } from './wire.mjs';

const PASSPHRASE = '123451234512345123451234512345';
const SELF_ACI = '11111111-1111-4111-8111-111111111111';
const START = 1700000000000;
const MINUTE = 60000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const WEEK = 7 * DAY;

// Android's message types: what a normal secure text is, coming in and going out
const INCOMING = 0xa00014;
const OUTGOING = 0xa00017;
const RECEIPT_SENT = 0;
const RECEIPT_DELIVERED = 1;
const RECEIPT_READ = 2;

const WORDS = 'lorem ipsum dolor sit amet consectetur adipiscing elit sed do eiusmod tempor incididunt ut labore et dolore magna aliqua'.split(' ');

/** What --expiring rows are like, in turn. `left`: time from the backup until they expire; absent: the timer isn't started. */
const EXPIRY_CASES = [
  { what: 'ends 1 ms inside 24 h', left: DAY - 1 },
  { what: 'ends after exactly 24 h', left: DAY },
  { what: 'ends 1 ms outside 24 h', left: DAY + 1 },
  { what: 'ends 1 min inside 24 h', left: DAY - MINUTE },
  { what: 'ends 1 min outside 24 h', left: DAY + MINUTE },
  { what: 'has a week left', left: WEEK },
  { what: 'ran out just before the backup', left: -1 },
  { what: 'short timer, not started', timer: HOUR },
  { what: 'long timer, not started', timer: 4 * WEEK },
];

// ---- options -----------------------------------------------------------------------------------------------------------

function readOptions() {
  const texts = ['seed', 'salt-seed', 'pass', 'version', 'messages', 'first', 'id-base', 'attach', 'attach-at', 'attach-size',
    'backup-time', 'expiring', 'view-once', 'night', 'night-messages', 'night-edits', 'night-deletes', 'night-attach', 'schema'];
  const options = Object.fromEntries(texts.map((name) => [name, { type: 'string' }]));
  options['omit-expiring'] = { type: 'boolean' };
  options.read = { type: 'boolean' };
  const { values, positionals } = parseArgs({ options, allowPositionals: true });
  const number = (name, fallback) => Number(values[name] ?? fallback);
  return {
    paths: positionals, read: values.read, schema: values.schema, pass: values.pass ?? PASSPHRASE,
    seed: values.seed ?? '1', saltSeed: values['salt-seed'], version: number('version', 1),
    messages: number('messages', 200), first: number('first', 1), idBase: number('id-base', 0),
    attach: number('attach', 10), attachAt: values['attach-at']?.split(',').map(Number), attachSize: number('attach-size', 20000),
    backupTime: values['backup-time'] && Number(values['backup-time']),
    expiring: number('expiring', 0), viewOnce: number('view-once', 0), omitExpiring: values['omit-expiring'],
    night: number('night', 0), nightMessages: number('night-messages', 1000), nightEdits: number('night-edits', 50),
    nightDeletes: number('night-deletes', 90), nightAttach: number('night-attach', 5),
  };
}

// ---- the account: who takes part -----------------------------------------------------------------------------------------

function makeAccount({ seed, idBase }) {
  const id = (n) => idBase + n;
  const phone = (name) => '+1555' + String(1000000 + seededNumber(8999999, seed, 'phone', name));
  const contact = (n, name, family) => ({ id: id(n), name, family, aci: seededUuid(seed, 'aci', name), e164: phone(name) });
  return {
    self: { id: id(1), name: 'Self', aci: SELF_ACI, e164: '+15550000001', pni: seededUuid(seed, 'pni', 'Self') },
    alice: contact(2, 'Alice', 'A'),
    bob: contact(3, 'Bob'),
    group: { id: id(4), title: 'Group One', masterKey: seededBytes(32, seed, 'group'), groupId: '__signal_group__v2__!' + hex(seededBytes(32, seed, 'group id')) },
    myStory: { id: id(5) },
    aliceThread: id(1),
    groupThread: id(2),
  };
}

function writePeople(rows, account, { seed }) {
  const { self, alice, bob, group, myStory } = account;
  const noList = '00000000-0000-0000-0000-000000000000';
  rows.insert('recipient', { _id: myStory.id, type: 2, registered: 1, distribution_list_id: 1 });
  for (const person of [self, alice, bob]) {
    rows.insert('recipient', {
      _id: person.id, type: 0, registered: 1, e164: person.e164, aci: person.aci, pni: person.pni ? 'PNI:' + person.pni : null,
      profile_key: seededBytes(32, seed, 'profile key', person.name).toString('base64'), profile_sharing: 1,
      profile_given_name: person.name, profile_family_name: person.family ?? null,
      profile_joined_name: person.family ? `${person.name} ${person.family}` : person.name,
    });
  }
  rows.insert('recipient', { _id: group.id, type: 3, registered: 1, group_id: group.groupId });
  rows.insert('distribution_list', { _id: 1, name: noList, distribution_id: noList, recipient_id: myStory.id });
  rows.insert('groups', {
    _id: 1, group_id: group.groupId, recipient_id: group.id, title: group.title, timestamp: START, active: 1,
    master_key: group.masterKey, revision: 1,
  });
  [self, alice, bob].forEach((person, i) => {
    rows.insert('group_membership', { _id: i + 1, group_id: group.groupId, recipient_id: person.id });
  });
}

// ---- the messages --------------------------------------------------------------------------------------------------------
//
// A message is known by a label that never changes: "m17" (ordinary message 17), "x3" (expiring), "v2" (view-once),
// "n4.25" (the 25th of night 4). Everything about it follows from seed and label. Row ids are laid out in blocks, so that they
// don't change from night to night either: ordinary, expiring, view-once, then per night its messages and its edits.

class Content {
  constructor(options) {
    this.o = options;
    this.account = makeAccount(options);
    this.specials = options.messages;                                      // rows before the expiring block
    this.beforeNights = options.messages + options.expiring + options.viewOnce;
    const lastOrdinary = START + (options.first - 1 + this.beforeNights) * MINUTE;
    this.firstBackup = options.backupTime ?? lastOrdinary + HOUR;           // time of the backup of night 0
    this.backupTime = this.firstBackup + options.night * DAY;
    this.attachAt = new Set(options.attachAt ?? this.#evenly());
    this.edits = new Map();                                                // label -> [{ id, time, body }]
    this.deleted = new Map();                                              // label -> 'gone' | 'for everyone'
    for (let night = 1; night <= options.night; night++) this.#liveThrough(night);
  }

  #evenly() {
    const { messages, attach, first } = this.o;
    const step = Math.max(1, Math.floor(messages / Math.max(1, attach)));
    return Array.from({ length: Math.min(attach, messages) }, (_, i) => first - 1 + (i + 1) * step);
  }

  // -- nights

  #nightStart(night) {
    return this.firstBackup + (night - 1) * DAY;
  }

  #nightBlock(night) {
    return this.beforeNights + (night - 1) * (this.o.nightMessages + this.o.nightEdits);
  }

  /** Label of the index-th message that edits and deletions may hit: the ordinary ones, then those of the nights. */
  #labelAt(index) {
    const { messages, first, nightMessages } = this.o;
    if (index < messages) return `m${first + index}`;
    const past = index - messages;
    return `n${1 + Math.floor(past / nightMessages)}.${1 + (past % nightMessages)}`;
  }

  /** A label among the `newest` messages before this night that isn't deleted; undefined if luck runs out. */
  #pick(night, purpose, number, newest) {
    const total = this.o.messages + (night - 1) * this.o.nightMessages;
    const range = Math.min(total, newest);
    for (let attempt = 0; range > 0 && attempt < 100; attempt++) {
      const label = this.#labelAt(total - 1 - seededNumber(range, this.o.seed, 'night', night, purpose, number, attempt));
      if (!this.deleted.has(label)) return label;
    }
    return undefined;
  }

  /** What changes in one night: edits of recent messages, deletions of any. */
  #liveThrough(night) {
    const { nightMessages, nightEdits, nightDeletes } = this.o;
    const firstEditRow = this.#nightBlock(night) + nightMessages + 1;
    for (let i = 0; i < nightEdits; i++) {
      const label = this.#pick(night, 'edit', i, Math.max(1000, nightMessages));
      if (!label) continue;
      const edit = { id: firstEditRow + i, time: this.#nightStart(night) + i * MINUTE + 30000, body: this.#text(label, 'edit', night, i) };
      this.edits.set(label, [...(this.edits.get(label) ?? []), edit]);
    }
    for (let i = 0; i < nightDeletes; i++) {
      const label = this.#pick(night, 'delete', i, Infinity);
      if (label) this.deleted.set(label, i % 3 === 2 ? 'for everyone' : 'gone');
    }
  }

  // -- one message

  #text(label, ...more) {
    const choice = sha256([this.o.seed, label, 'words', ...more].join('/'));
    const word = (n) => WORDS[choice.readUInt16LE(2 * n) % WORDS.length];
    return `message ${label.replace(/^m/, '')} ${word(0)} ${word(1)} ${word(2)}${more.length ? ' (edited)' : ''} \u{1F600}`;
  }

  /** Sender, direction, thread and texts of a message; `n` decides the pattern. */
  #describe(label, id, n, time) {
    const { self, alice, bob, group, aliceThread, groupThread } = this.account;
    const inGroup = n % 3 === 0;
    const outgoing = n % 2 === 0;
    const contact = inGroup && n % 4 !== 1 ? bob : alice;
    return {
      label, id, n, time, inGroup, outgoing, text: () => this.#text(label),
      thread: inGroup ? groupThread : aliceThread,
      from: outgoing ? self : contact,
      to: outgoing ? (inGroup ? group : alice) : self,
    };
  }

  ordinary(n) {
    const { messages, first } = this.o;
    const described = this.#describe(`m${n}`, n - first + 1, n, START + n * MINUTE);
    described.attachment = this.attachAt.has(n);
    if (n % 10 === 0) described.reaction = { emoji: '\u2764\uFE0F', by: described.outgoing ? this.account.alice : this.account.self };
    if (n % 25 === 0 && n - 5 >= first && messages > 5) described.quotes = this.ordinary(n - 5);
    return described;
  }

  expiring(k) {
    const { what, left, timer } = EXPIRY_CASES[(k - 1) % EXPIRY_CASES.length];
    const position = this.specials + k;
    const time = Math.min(START + (this.o.first - 1 + position) * MINUTE, this.firstBackup - MINUTE);
    // A timer that hasn't started belongs to an incoming message that hasn't been read.
    const described = this.#describe(`x${k}`, position, timer ? 6 * k + 1 : k, time);
    const started = timer ? 0 : time + 1000;
    const expiresIn = timer ?? this.firstBackup + left - started;
    return { ...described, text: () => `expiring ${k}: ${what}`, expiresIn, started, unread: Boolean(timer) };
  }

  viewOnce(k) {
    const position = this.specials + this.o.expiring + k;
    const time = Math.min(START + (this.o.first - 1 + position) * MINUTE, this.firstBackup - MINUTE);
    const viewed = k % 3 === 2;
    const described = this.#describe(`v${k}`, position, k % 3 === 0 ? 2 : 1, time);
    return { ...described, text: () => null, viewOnce: true, viewed, attachment: !viewed };
  }

  nightly(night, k) {
    const { nightMessages, nightAttach } = this.o;
    const time = this.#nightStart(night) + Math.floor((k * DAY) / (nightMessages + 1));
    const described = this.#describe(`n${night}.${k}`, this.#nightBlock(night) + k, k, time);
    const step = Math.max(1, Math.floor(nightMessages / Math.max(1, nightAttach)));
    described.attachment = k % step === 0 && k / step <= nightAttach;
    return described;
  }

  // -- what the file holds

  /** Every message once, by its label, whatever happened to it. */
  *#everything() {
    const { messages, first, expiring, viewOnce, night, nightMessages } = this.o;
    for (let i = 0; i < messages; i++) yield this.ordinary(first + i);
    for (let k = 1; k <= expiring; k++) yield this.expiring(k);
    for (let k = 1; k <= viewOnce; k++) yield this.viewOnce(k);
    for (let n = 1; n <= night; n++) for (let k = 1; k <= nightMessages; k++) yield this.nightly(n, k);
  }

  #isLeftOut(m) {
    if (!m.started) return false;
    const left = m.started + m.expiresIn - this.backupTime;
    if (this.o.night > 0 && left <= 0) return true;                        // has disappeared meanwhile
    return Boolean(this.o.omitExpiring) && left <= DAY;
  }

  /** The messages there are at backup time, each with its edits and the id of the row that is current. */
  *messages() {
    for (const m of this.#everything()) {
      const fate = this.deleted.get(m.label);
      if (fate === 'gone' || this.#isLeftOut(m)) continue;
      const edits = fate ? [] : this.edits.get(m.label) ?? [];
      yield { ...m, edits, erased: fate === 'for everyone', currentId: edits.at(-1)?.id ?? m.id };
    }
  }

  /** How far the news of an outgoing message's arrival has come: grows with its age. */
  receipt(m, reader) {
    const age = this.backupTime - m.time;
    if (age > HOUR * (1 + seededNumber(48, this.o.seed, m.label, 'read by', reader))) return RECEIPT_READ;
    if (age > MINUTE * (5 + seededNumber(60, this.o.seed, m.label, 'delivered to', reader))) return RECEIPT_DELIVERED;
    return RECEIPT_SENT;
  }
}

// ---- rows ----------------------------------------------------------------------------------------------------------------

/** The row of a message as first sent; revisions are copies of it with a few columns changed. */
function messageRow(m, content) {
  const receipt = m.outgoing ? content.receipt(m, 'chat') : RECEIPT_SENT;
  const row = {
    _id: m.id, date_sent: m.time, date_received: m.time + 500, date_server: m.outgoing ? -1 : m.time + 100,
    thread_id: m.thread, from_recipient_id: m.from.id, from_device_id: 1, to_recipient_id: m.to.id,
    type: m.outgoing ? OUTGOING : INCOMING, body: m.text(), read: m.unread ? 0 : 1,
    has_delivery_receipt: receipt >= RECEIPT_DELIVERED ? 1 : 0, has_read_receipt: receipt >= RECEIPT_READ ? 1 : 0,
    expires_in: m.expiresIn ?? 0, expire_started: m.started ?? 0,
    view_once: m.viewOnce ? 1 : 0, viewed: m.viewed ? 1 : 0,
  };
  if (m.quotes) Object.assign(row, { quote_id: m.quotes.time, quote_author: m.quotes.from.id, quote_body: m.quotes.text() });
  if (m.erased) Object.assign(row, { body: null, deleted_by: m.from.id, quote_id: 0, quote_author: 0, quote_body: null });
  return row;
}

function editRow(m, row, edit, revision) {
  return {
    ...row, _id: edit.id, body: edit.body, date_sent: edit.time, original_message_id: m.id, revision_number: revision,
    latest_revision_id: edit.id === m.currentId ? null : m.currentId,
  };
}

/** Message rows in the order of their ids. Edits come later in the table than what they change, hence the second pass. */
function writeMessages(rows, content) {
  const later = [];
  let count = 0;
  const put = (row) => {
    rows.insert('message', row);
    count++;
  };
  const putEditsBelow = (id) => {
    while (later.length && later.at(-1)._id < id) put(later.pop());
  };
  for (const m of content.messages()) {
    for (const [i, edit] of m.edits.entries()) later.push(editRow(m, messageRow(m, content), edit, i + 1));
  }
  later.sort((a, b) => b._id - a._id);
  for (const m of content.messages()) {
    putEditsBelow(m.id);
    const row = messageRow(m, content);
    put(m.edits.length ? { ...row, latest_revision_id: m.currentId } : row);
  }
  putEditsBelow(Infinity);
  return count;
}

/** A JPEG's first bytes, then noise. */
function* attachmentChunks(label, { seed, attachSize }) {
  let first = true;
  for (const chunk of seededChunks(attachSize, seed, label, 'attachment')) {
    if (first) chunk.set([0xff, 0xd8, 0xff].slice(0, chunk.length));
    first = false;
    yield chunk;
  }
}

function hashOf(chunks) {
  const hash = crypto.createHash('sha256');
  for (const chunk of chunks) hash.update(chunk);
  return hash.digest('base64');
}

function writeAttachments(rows, content) {
  const { seed, attachSize } = content.o;
  let count = 0;
  for (const m of content.messages()) {
    if (!m.attachment || m.erased) continue;
    const id = m.id;   // kept for life, as SQLite keeps it: a deletion renumbers nothing
    count++;
    const hash = hashOf(attachmentChunks(m.label, content.o));
    rows.insert('attachment', {
      _id: id, message_id: m.currentId, content_type: 'image/jpeg', transfer_state: 0, data_file: `/data/part${id}.mms`,
      data_size: attachSize, file_name: `${m.label}.jpg`, width: 10, height: 10, cdn_number: 3, upload_timestamp: m.time,
      remote_key: seededBytes(64, seed, m.label, 'remote key').toString('base64'),
      remote_location: hex(seededBytes(12, seed, m.label, 'location')), data_hash_start: hash, data_hash_end: hash,
    });
    rows.writer.attachment(id, attachSize, attachmentChunks(m.label, content.o));
  }
  return count;
}

function writeReactions(rows, content) {
  let count = 0;
  for (const m of content.messages()) {
    if (!m.reaction || m.erased) continue;
    count++;
    rows.insert('reaction', {
      _id: m.id, message_id: m.currentId, author_id: m.reaction.by.id, emoji: m.reaction.emoji,
      date_sent: m.time + 1000, date_received: m.time + 1001,
    });
  }
  return count;
}

function writeGroupReceipts(rows, content) {
  const { alice, bob } = content.account;
  let count = 0;
  for (const m of content.messages()) {
    if (!m.outgoing || !m.inGroup) continue;
    for (const [i, member] of [alice, bob].entries()) {
      count++;
      const status = content.receipt(m, member.name);
      rows.insert('group_receipts', { _id: 2 * m.id + i, mms_id: m.id, address: String(member.id), status, timestamp: m.time + 2000, unidentified: 1 });
    }
  }
  return count;
}

function writeThreads(rows, content) {
  const { account } = content;
  const state = new Map([[account.aliceThread, { count: 0 }], [account.groupThread, { count: 0 }]]);
  for (const m of content.messages()) {
    const thread = state.get(m.thread);
    thread.count++;
    if (!(thread.date > m.time + 500)) Object.assign(thread, { date: m.time + 500, last: m });
  }
  for (const [id, { count, date = START, last }] of state) {
    const snippet = last ? last.edits.at(-1)?.body ?? last.text() : null;
    const recipient = id === account.aliceThread ? account.alice.id : account.group.id;
    rows.insert('thread', { _id: id, recipient_id: recipient, date, meaningful_messages: count, active: 1, snippet });
  }
}

// ---- main ----------------------------------------------------------------------------------------------------------------

function write(path, options) {
  const content = new Content(options);
  const { account } = content;
  const fixed = options.saltSeed && {
    salt: seededBytes(32, options.saltSeed, 'salt'), iv: seededBytes(16, options.saltSeed, 'iv'),
  };
  const writer = new LegacyWriter(path, options.pass, { version: options.version, ...fixed });
  writer.databaseVersion(DATABASE_VERSION);
  const rows = new RowWriter(writer, loadSchema(options.schema));
  writePeople(rows, account, options);
  writeThreads(rows, content);
  const messageRows = writeMessages(rows, content);
  const attachments = writeAttachments(rows, content);
  const reactions = writeReactions(rows, content);
  const receipts = writeGroupReceipts(rows, content);
  writer.preference('SecureSMS-Preferences', 'pref_identity_public_v3', seededBytes(33, options.seed, 'identity').toString('base64'));
  writer.keyValue('account.aci', account.self.aci);
  writer.keyValue('account.pni', account.self.pni);
  writer.keyValue('account.e164', account.self.e164);
  writer.avatar(account.alice.id, seededBytes(3000, options.seed, 'avatar', 'Alice'));
  writer.end();
  const bytes = fs.statSync(path).size;
  console.log(JSON.stringify({ bytes, messageRows, attachments, reactions, receipts, backupTime: content.backupTime, passphrase: options.pass }));
}

function summarise(path, passphrase) {
  const summary = { frames: {}, rows: {}, blobs: 0, blobBytes: 0 };
  const add = (counts, key) => { counts[key] = (counts[key] ?? 0) + 1; };
  for (const { kind, value, blob } of readLegacy(path, passphrase)) {
    if (kind === 'header') summary.version = value.version;
    else add(summary.frames, kind);
    if (kind === 'statement') {
      const table = /^INSERT INTO "?(\w+)/.exec(get(value, 1).toString())?.[1];
      if (table) add(summary.rows, table);
    }
    if (blob) {
      summary.blobs++;
      summary.blobBytes += blob.length;
    }
  }
  console.log(JSON.stringify(summary, null, 1));
}

const options = readOptions();
if (!options.paths.length) {
  console.error('usage: mk_legacy_backup.mjs OUT [options] | --read FILE [PASSPHRASE]   (options: see the top of this file)');
  process.exitCode = 2;
} else if (options.read) {
  summarise(options.paths[0], options.paths[1] ?? options.pass);
} else {
  write(options.paths[0], options);
}
