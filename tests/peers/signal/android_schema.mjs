// The tables of Signal-Android's database 223: the ones with content from a column dump, the others in just enough detail
// for a reader that expects them to exist.
import * as fs from 'node:fs';
import { encodeParameter } from './legacy_container.mjs';

export const DATABASE_VERSION = 223;
const DUMP = new URL('cols223.json', import.meta.url);

// "name[:TYPE[:default]]", INTEGER where no type is given
const OTHER_TABLES = {
  distribution_list: '_id,name:TEXT,distribution_id:TEXT,recipient_id,allows_replies::1,deletion_timestamp::0,is_unknown::0,privacy_mode::0',
  distribution_list_member: '_id,list_id,recipient_id,privacy_mode::0',
  call: '_id,call_id,message_id,peer,type,direction,event,timestamp,ringer,deletion_timestamp::0,read::1,local_joined::0,group_call_active::0',
  call_link: '_id,root_key:BLOB,room_id:TEXT,admin_key:BLOB,name:TEXT,restrictions,revoked,expiration,recipient_id,deletion_timestamp::0',
  drafts: '_id,thread_id,type:TEXT,value:TEXT',
  remapped_recipients: '_id,old_id,new_id',
  remapped_threads: '_id,old_id,new_id',
  notification_profile: '_id,name:TEXT,emoji:TEXT,color:TEXT,created_at,allow_all_calls,allow_all_mentions',
  notification_profile_allowed_members: '_id,notification_profile_id,recipient_id',
  notification_profile_schedule: '_id,notification_profile_id,enabled,start,end,days_enabled:TEXT',
  msl_payload: '_id,date_sent,content:BLOB,content_hint,urgent',
  msl_recipient: '_id,payload_id,recipient_id,device',
  msl_message: '_id,payload_id,message_id',
  story_sends: '_id,message_id,recipient_id,sent_timestamp,allows_replies,distribution_id:TEXT',
  pending_retry_receipts: '_id,author:TEXT,device,sent_timestamp,received_timestamp,thread_id',
  sender_keys: '_id,address:TEXT,device,distribution_id:TEXT,record:BLOB,created_at',
  sender_key_shared: '_id,distribution_id:TEXT,address:TEXT,device,timestamp',
  payments: '_id,uuid:TEXT,recipient,timestamp',
  chat_colors: '_id,chat_colors:BLOB',
  emoji_search: '_id,label:TEXT,emoji:TEXT,rank',
  avatar_picker: '_id,last_used,group_id:TEXT,avatar:BLOB',
  cds: '_id,e164:TEXT,last_seen_at',
  pending_pni_signature_message: '_id,recipient_id,sent_timestamp,device_id',
  donation_receipt: '_id,receipt_type:TEXT,receipt_date,amount:TEXT,currency:TEXT,subscription_level',
};

const fromDump = ([name, type, notNull, fallback, isKey]) => ({ name, type, notNull, fallback, isKey });

function fromShorthand(text) {
  const [name, type, fallback] = text.split(':');
  return { name, type: type || 'INTEGER', notNull: 0, fallback: fallback ?? null, isKey: name === '_id' };
}

/** table name -> columns. `path`: another column dump than the one beside this file. */
export function loadSchema(path = DUMP) {
  const dump = JSON.parse(fs.readFileSync(path, 'utf8'));
  const tables = new Map(Object.entries(dump).map(([table, columns]) => [table, columns.map(fromDump)]));
  for (const [table, text] of Object.entries(OTHER_TABLES)) {
    if (!tables.has(table)) tables.set(table, text.split(',').map(fromShorthand));
  }
  return tables;
}

const declaration = ({ name, type, notNull, fallback, isKey }) =>
  `"${name}" ${type}${isKey ? ' PRIMARY KEY' : ''}${notNull ? ' NOT NULL' : ''}${fallback === null ? '' : ' DEFAULT ' + fallback}`;

export const createStatement = (table, columns) => `CREATE TABLE "${table}" (${columns.map(declaration).join(', ')})`;

function defaultOf({ fallback }) {
  if (fallback === null || fallback === 'NULL') return null;
  return /^-?\d+$/.test(fallback) ? Number(fallback) : fallback;
}

/** Writes rows given as objects: absent columns get their default, unknown ones are an error. */
export class RowWriter {
  constructor(writer, schema) {
    this.writer = writer;
    this.tables = new Map();
    for (const [table, columns] of schema) {
      writer.sql(createStatement(table, columns));
      const marks = columns.map(() => '?').join(',');
      this.tables.set(table, {
        statement: `INSERT INTO "${table}" VALUES (${marks})`,
        names: new Set(columns.map((c) => c.name)),
        columns: columns.map((c) => [c.name, encodeParameter(defaultOf(c))]),
      });
    }
  }

  insert(table, row) {
    const { statement, names, columns } = this.tables.get(table);
    for (const name of Object.keys(row)) if (!names.has(name)) throw new Error(`no column ${table}.${name}`);
    this.writer.sql(statement, columns.map(([name, fallback]) => (name in row ? encodeParameter(row[name]) : fallback)));
  }
}
