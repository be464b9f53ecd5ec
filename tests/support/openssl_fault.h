#ifndef KS_TESTS_OPENSSL_FAULT_H
#define KS_TESTS_OPENSSL_FAULT_H

/*
 * openssl_fault: let fault reach the allocations inside libcrypto, which is a
 * shared library and calls the true malloc, but has a hook of its own. Call
 * before anything else calls libcrypto.
 */
void openssl_fault_install(void);

#endif /* KS_TESTS_OPENSSL_FAULT_H */
