#ifndef KS_CRYPTO_CONTEXTS_H
#define KS_CRYPTO_CONTEXTS_H

/*
 * contexts: every label that goes into a key derivation, in one table, so
 * that no two uses can share one. Each is used without its NUL. Source:
 * doc/format.md, "Labels"; the last is Signal's.
 */
#define KS_CTX_OBJECT      "keepsay object"
#define KS_CTX_SLOT        "keepsay slot"
#define KS_CTX_FINGERPRINT "keepsay fingerprint"
#define KS_CTX_STATE       "keepsay client state"
#define KS_CTX_SIGNAL_V1   "Backup Export"

#endif /* KS_CRYPTO_CONTEXTS_H */
