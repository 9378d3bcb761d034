//! What a member says first.
#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| mysql_proxy::wire::strangers::greeting(bytes));
