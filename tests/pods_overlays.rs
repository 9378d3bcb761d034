//! The overlays whose members are not the base's, run as pods on this machine's MariaDB: `galera` as it is, and
//! `mysql57-xtrabackup` with MariaDB in place of MySQL 5.7 and two commands in place of xtrabackup; and the base made
//! smaller.
//!
//! Needs what `pods` needs, with galera-4, mariadb-backup, socat and ncat; without one of them a test is skipped by name.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "pods/chance.rs"]
mod chance;
#[path = "pods/chaos.rs"]
mod chaos;
#[path = "pods/overlays/galera.rs"]
mod galera;
#[allow(dead_code)] // others use other parts of it
#[path = "pods/harness/mod.rs"]
mod harness;
#[allow(dead_code)] // others use other parts of it
#[path = "pods/load.rs"]
mod load;
#[path = "pods/overlays/mariadb.rs"]
mod mariadb;
#[path = "pods/overlays/mysql57.rs"]
mod mysql57;
#[path = "pods/overlays/small.rs"]
mod small;
mod support;
#[path = "pods/overlays/watch.rs"]
mod watch;
