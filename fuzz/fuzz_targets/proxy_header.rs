//! What a load balancer says first.
#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| mysql_proxy::wire::strangers::proxy_header(bytes));
