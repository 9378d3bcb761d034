//! `deploy/base`.

use std::path::Path;
use std::time::Duration;

use crate::harness::{Images, Pods, StandIn, missing, render};

/// Small servers, and less waiting for pods that nobody else starts.
const SITE: &str = "[mysqld]\ninnodb-buffer-pool-size = 16M\ninnodb-redo-log-capacity = 16M\ninnodb-log-buffer-size = 1M\n\
    innodb-data-file-path = ibdata1:5M:autoextend\ninnodb-temp-data-file-path = ibtmp1:12M:autoextend\n\
    table-open-cache = 64\ntable-definition-cache = 400\nkey-buffer-size = 64K\nmax-connections = 150\n";
const SMALL: &str = "configMapGenerator:\n  - name: mysql\n    behavior: merge\n    files:\n      - site.cnf\n";

fn start(test: &str) -> Option<Pods> {
    let server = std::env::var("MYSQLD").ok();
    let unpacked = server.as_deref().and_then(|server| Path::new(server).parent()?.parent());
    let absent = missing().or_else(|| unpacked.is_none().then(|| "MYSQLD does not name an Oracle MySQL".into()));
    if let Some(absent) = absent {
        println!("SKIPPED: {test}: {absent}");
        return None;
    }
    let images = Images::default().with("mysql", StandIn::mysql(unpacked?)).with("mysql-proxy", StandIn::proxy());
    Some(Pods::start(render::adjusted("deploy/base", SMALL, &[("site.cnf", SITE)]), images))
}

#[test]
fn comes_up() {
    let Some(pods) = start("comes_up") else { return };
    pods.wait_ready("mysql", Duration::from_secs(120));
    pods.wait_ready("mysql-proxy", Duration::from_secs(20));
}
