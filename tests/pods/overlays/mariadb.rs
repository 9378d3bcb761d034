//! What stands in for the images of these overlays, and what is asked of every cluster after each thing that happens.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::chaos::{Chaos, wanted_kills};
use crate::harness::{Pods, StandIn, missing};
use crate::load::connect;

/// Long enough for copies, on a machine that does other things too.
pub const COME_UP: Duration = Duration::from_secs(180);

const SERVER: &str = "/usr/sbin/mariadbd";

/// What the official image has beside bash and the core utilities, as far as the scripts and Galera's own ask for it.
const COMMANDS: &[&str] = &[
    "mariadb",
    "mariadb-admin",
    "mariadb-backup",
    "mariadb-dump",
    "mariadb-install-db",
    "mbstream",
    "my_print_defaults",
    "resolveip",
    "socat",
    "wsrep_sst_common",
    "wsrep_sst_mariabackup",
    "find",
    "hostname",
    "lsof",
    "ps",
    "ss",
    "xargs",
];

/// Whether a test can run; says which is skipped and why.
pub fn can_run(test: &str, files: &[&str]) -> bool {
    let absent = |file: &&&str| !Path::new(file).exists();
    let lacks = files.iter().find(absent).map(|file| format!("there is no {file}"));
    if let Some(why) = missing().or(lacks) {
        println!("SKIPPED: {test}: {why}");
        return false;
    }
    true
}

/// The official images of MariaDB.
pub fn image() -> StandIn {
    let with_server = StandIn::slim().bind(Path::new(SERVER)).account("mysql", 999).link("mariadbd", SERVER);
    // `awk` itself is a link by way of /etc here.
    let with_server = with_server.link("awk", "/.machine/mawk");
    COMMANDS.iter().fold(with_server, |image, name| image.link(name, &format!("/.machine/{name}")))
}

/// Runs a statement as root on a member's own socket; `None` while it does not answer.
pub fn try_on(pods: &Pods, member: &str, statement: &str) -> Option<String> {
    let script = ". /scripts/ground.sh; here \"$0\"";
    let output = pods.try_exec(member, "mysql", &["bash", "-c", script, statement]).ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// The same for a member that answers.
pub fn on(pods: &Pods, member: &str, statement: &str) -> String {
    try_on(pods, member, statement).unwrap_or_else(|| panic!("{member} does not answer {statement}"))
}

/// The tables that applications write to.
pub fn make_tables(pods: &Pods) {
    let mut client = connect(pods.service("mysql-proxy", 3306)).unwrap();
    client.run("CREATE TABLE writes (id BIGINT PRIMARY KEY, text VARCHAR(100))");
    client.run("CREATE TABLE counters (id INT PRIMARY KEY, n BIGINT NOT NULL)");
    client.run("INSERT INTO counters VALUES (0, 0), (1, 0), (2, 0), (3, 0), (4, 0), (5, 0), (6, 0)");
    client.run("CREATE TABLE baseline (id INT PRIMARY KEY)");
    let rows: Vec<String> = (0..1000).map(|id| format!("({id})")).collect();
    client.run(&format!("INSERT INTO baseline VALUES {}", rows.join(", ")));
}

/// Whether a cluster's day ends here: `make chaos-pods`, and `MYSQL_PROXY_TEST_LONG=1`, want all of it.
pub fn day_ends() -> bool {
    let long = wanted_kills().is_some()
        || std::env::var("MYSQL_PROXY_TEST_LONG").is_ok_and(|value| !value.is_empty() && value != "0");
    if !long {
        println!("==> the rest of its days: make chaos-pods");
    }
    !long
}

/// Makes a new cluster so many times, of empty volumes, and kills a script of it while it begins.
pub fn strike_beginnings(pods: &Pods, chaos: &mut Chaos, strikes: usize) {
    for number in 1..=strikes {
        let members = pods.names_of("mysql");
        pods.scale("mysql", 0);
        chaos.strike_beginner(pods, number, || {
            for member in &members {
                pods.lose_volumes("mysql", member);
            }
            pods.scale("mysql", members.len());
        });
        all_ready(pods);
        let first: BTreeSet<_> = members.iter().map(|member| on(pods, member, ACCOUNTS)).collect();
        assert_eq!(first.len(), 1, "the members differ in their accounts: {first:?}");
        no_open_account(pods);
        assert!(
            members.iter().all(|member| connect(pods.address(member, 3306)).is_some()),
            "no account for applications"
        );
    }
}

/// Waits until all members are ready, also those that have been killed just now.
pub fn all_ready(pods: &Pods) {
    // What was killed is noticed first.
    std::thread::sleep(Duration::from_secs(1));
    pods.wait_ready("mysql", COME_UP);
}

pub const ROOT: &str = r#"an\o"th'er"#;

/// Longer than it takes to count as not ready: it changes nothing while the servers run.
pub fn a_new_root_password(pods: &Pods) {
    pods.set_secret("mysql", "root-password", ROOT);
    let until = Instant::now() + Duration::from_secs(25);
    while Instant::now() < until {
        for member in pods.names_of("mysql") {
            assert!(pods.is_ready(&member), "{member} is not ready since the Secret has a new root password");
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// It counts from the server's next start on.
pub fn has_new_root_password(pods: &Pods, member: &str) {
    let script = ". /scripts/ground.sh; cat $run/root-password; ask_here --execute='DO 0'";
    assert_eq!(pods.exec(member, "mysql", &["bash", "-c", script]), ROOT, "{member}");
}

const ACCOUNTS: &str = "SELECT GROUP_CONCAT(user, '@', host ORDER BY 1) FROM mysql.global_priv";

fn no_open_account(pods: &Pods) {
    let open = "SELECT COUNT(*) FROM mysql.global_priv WHERE user <> 'mariadb.sys'
        AND JSON_VALUE(priv, '$.authentication_string') IN ('', 'invalid') OR user = ''";
    for member in pods.names_of("mysql") {
        assert_eq!(on(pods, &member, open), "0", "an account without a password on {member}");
    }
}

/// Waits until all members have the same to the last byte; then nothing that was acknowledged may be missing, and no
/// account may be without a password.
pub fn all_equal(pods: &Pods, acknowledged: &BTreeSet<u64>) {
    let checksums = "CHECKSUM TABLE app.writes, app.counters, app.baseline";
    let deadline = Instant::now() + Duration::from_secs(60);
    let members = pods.names_of("mysql");
    loop {
        let said: BTreeSet<Option<String>> = members.iter().map(|member| try_on(pods, member, checksums)).collect();
        if said.len() == 1 && said.iter().all(Option::is_some) {
            break;
        }
        assert!(Instant::now() < deadline, "the members differ: {said:?}");
        std::thread::sleep(Duration::from_millis(500));
    }
    for member in &members {
        let ids: BTreeSet<u64> =
            on(pods, member, "SELECT id FROM app.writes").lines().map(|id| id.parse().unwrap()).collect();
        let missing: Vec<_> = acknowledged.difference(&ids).take(5).collect();
        assert!(missing.is_empty(), "{member} has lost acknowledged writes, such as {missing:?}");
    }
    no_open_account(pods);
}

/// Waits until so many more writes have been acknowledged.
pub fn await_writes(load: &crate::load::Load, more: usize) {
    let wanted = load.written() + more;
    let deadline = Instant::now() + COME_UP;
    while load.written() < wanted {
        assert!(Instant::now() < deadline, "nothing is written any more");
        std::thread::sleep(Duration::from_millis(20));
    }
}
