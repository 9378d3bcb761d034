//! `deploy/overlays/mysql57-xtrabackup`, with MariaDB in place of MySQL 5.7.

use crate::harness::StandIn;
use crate::mariadb::image;

#[allow(dead_code)]
fn server() -> StandIn {
    image()
}
