//! What a member asks in a login.
#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| mysql_proxy::wire::strangers::auth_switch(bytes));
