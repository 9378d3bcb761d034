//! What a proxy uses: connections to members, clients, descriptors, threads, memory.

use std::fmt;
use std::fs;

use crate::support::{Proxy, http, resident_bytes};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Figures {
    /// Connections to members that somebody has: permits.
    pub in_use: u64,
    /// Connections to members that nobody has.
    pub idle: u64,
    pub clients: u64,
    pub descriptors: usize,
    pub threads: usize,
    pub resident: u64,
}

impl Figures {
    pub fn of(proxy: &Proxy) -> Self {
        let (_, text) = http(proxy.admin_http, "/metrics").expect("the proxy answers for its metrics");
        let sum = |begins: &str, contains: &str| -> u64 {
            let lines = text.lines().filter(|line| line.starts_with(begins) && line.contains(contains));
            lines.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
        };
        let count = |folder: &str| fs::read_dir(format!("/proc/{}/{folder}", proxy.pid())).map_or(0, Iterator::count);
        Self {
            in_use: sum("mysql_proxy_backend_connections{", "state=\"in_use\""),
            idle: sum("mysql_proxy_backend_connections{", "state=\"idle\""),
            clients: sum("mysql_proxy_client_connections ", ""),
            descriptors: count("fd"),
            threads: count("task"),
            resident: resident_bytes(proxy.pid()),
        }
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { in_use, idle, clients, descriptors, threads, resident } = self;
        let tenths = (resident * 10) >> 20;
        write!(
            formatter,
            "permits {in_use:3}, idle {idle:3}, clients {clients:3}, descriptors {descriptors:3}, threads {threads:2}, \
             memory {}.{} MiB",
            tenths / 10,
            tenths % 10
        )
    }
}
