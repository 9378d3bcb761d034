//! The servers' configuration files: small, quick, and replicating by GTID.
//!
//! Knows every line of `my.cnf`. Must not know how servers are started. Nothing is
//! synced to the disk, because the data is thrown away; but what is committed reaches the kernel, so that a killed
//! server loses nothing.

use super::flavor::{Flavor, Servers};
use super::folder::Owner;
use super::member::{Member, Role};

const MARIADB: &str = "\
gtid-domain-id=1
gtid-strict-mode=ON
log-slave-updates=ON
binlog-format=ROW
character-set-server=utf8mb4
innodb-log-file-size=16M
innodb-undo-log-truncate=OFF
aria-pagecache-buffer-size=1M
query-cache-size=0
query-cache-type=0
";

const MYSQL: &str = "\
mysqlx=OFF
gtid-mode=ON
enforce-gtid-consistency=ON
secure-file-priv=NULL
innodb-redo-log-capacity=16M
loose-innodb-log-writer-threads=OFF
innodb-autoextend-increment=1
innodb-temp-data-file-path=ibtmp1:12M:autoextend
tablespace-definition-cache=256
schema-definition-cache=256
stored-program-definition-cache=256
temptable-max-ram=2M
replica-parallel-workers=1
";

const BOTH: &str = "\
log-bin=bin
relay-log=relay
skip-name-resolve
performance-schema=OFF
max-connections=500
max-allowed-packet=128M
innodb-buffer-pool-size=16M
innodb-log-buffer-size=1M
innodb-read-io-threads=1
innodb-write-io-threads=1
innodb-use-native-aio=OFF
innodb-buffer-pool-load-at-startup=OFF
innodb-buffer-pool-dump-at-shutdown=OFF
innodb-flush-log-at-trx-commit=2
sync-binlog=0
key-buffer-size=64K
table-open-cache=200
table-definition-cache=400
thread-cache-size=16
host-cache-size=0
";

/// The `my.cnf` of one member; `extra` comes last, so that it wins.
pub(super) fn of_member(servers: &Servers, member: &Member, owner: &Owner, extra: &str) -> String {
    let address = member.address();
    let mut lines = vec![
        "[mysqld]".to_owned(),
        format!("datadir={}", member.data().display()),
        // A MariaDB that starts clears its temporary folder of other servers' tables: never share one.
        format!("tmpdir={}", member.folder().display()),
        format!("socket={}", member.socket().display()),
        format!("pid-file={}", member.folder().join("pid").display()),
        format!("log-error={}", member.error_log().display()),
        format!("bind-address={}", address.ip()),
        format!("port={}", address.port()),
        format!("report-host={}", address.ip()),
        format!("report-port={}", address.port()),
        format!("server-id={}", member.index() + 1),
    ];
    lines.extend(account(owner));
    lines.extend(where_unpacked(servers));
    if let Some(log) = member.general_log() {
        lines.push("general-log=ON".to_owned());
        lines.push(format!("general-log-file={}", log.display()));
    }
    if member.role() == Role::Replica {
        lines.push(refuses_writes(servers.flavor).to_owned());
    }
    let own = match servers.flavor {
        Flavor::MariaDb => MARIADB,
        Flavor::MySql => MYSQL,
    };
    format!("{}\n{BOTH}{own}{extra}\n", lines.join("\n"))
}

/// The account the server changes to when root starts it.
pub(super) fn account(owner: &Owner) -> Option<String> {
    match owner {
        Owner::Account { name, .. } => Some(format!("user={name}")),
        Owner::Ourselves => None,
    }
}

/// Where a server finds its own files when it is not installed where it was built for.
pub(super) fn where_unpacked(servers: &Servers) -> Vec<String> {
    let Some(base) = &servers.unpacked else { return Vec::new() };
    let base = base.display();
    vec![
        format!("basedir={base}"),
        format!("plugin-dir={base}/plugin"),
        format!("lc-messages-dir={base}/share"),
        format!("character-sets-dir={base}/share/charsets"),
    ]
}

/// In the file, because `MariaDB` forgets `SET GLOBAL read_only` when it restarts.
const fn refuses_writes(flavor: Flavor) -> &'static str {
    match flavor {
        Flavor::MariaDb => "read-only=ON",
        Flavor::MySql => "super-read-only=ON",
    }
}
