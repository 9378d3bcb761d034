//! What a client says first, and by a change of user.
#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| mysql_proxy::wire::strangers::handshake_response(bytes));
