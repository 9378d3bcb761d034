//! What clients leave in the proxy's memory: nothing that grows with what they once did.
//!
//! Bounds have room for the allocator, which gives pages back after a second or so.

use std::thread;
use std::time::{Duration, Instant};

use mysql_proxy::demo::{Cluster, Flavor};

use crate::support::raw::{Raw, Who};
use crate::support::{self, Proxy, resident_bytes};

const MEBIBYTE: u64 = 1 << 20;
const SOON: Duration = Duration::from_secs(20);
/// How long memory may take to become little again.
const GIVEN_BACK: Duration = Duration::from_secs(5);

fn cluster() -> Option<Cluster> {
    let cluster = support::cluster(Flavor::MariaDb, |options| {
        options.replicas = 0;
        options.extra_cnf = "max-allowed-packet=64M\nmax-connections=300\n".into();
    })?;
    cluster.sql(0, "CREATE TABLE app.t (a INT)").unwrap();
    Some(cluster)
}

/// What the proxy has in memory once it is no more than this, or after a while.
fn settled(proxy: &Proxy, wanted: u64) -> u64 {
    let deadline = Instant::now() + GIVEN_BACK;
    loop {
        let resident = resident_bytes(proxy.pid());
        if resident <= wanted || Instant::now() > deadline {
            return resident;
        }
        thread::sleep(Duration::from_millis(50));
    }
}

const fn mib(bytes: u64) -> u64 {
    bytes / MEBIBYTE
}

/// Does something with so many sessions, a few at a time; gives the sessions.
fn sessions(proxy: &Proxy, count: usize, work: impl Fn(&mut Raw) + Sync) -> Vec<Raw> {
    const AT_A_TIME: usize = 4;
    let some = || -> Vec<Raw> {
        let begin = || {
            let mut session = Raw::connect(proxy.read_write, &Who::named("app")).unwrap();
            work(&mut session);
            session
        };
        (0..count / AT_A_TIME).map(|_| begin()).collect()
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..AT_A_TIME).map(|_| scope.spawn(some)).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    })
}

#[test]
fn what_clients_have_once_sent_is_not_kept() {
    const STATEMENTS: usize = 600_000;
    let Some(cluster) = cluster() else { return };
    let proxy = Proxy::start(&cluster, "pool.max_backend_connections = 8\n");
    // What a proxy keeps that has worked at all.
    drop(sessions(&proxy, 8, |session| drop(session.say("SELECT 1"))));
    let start = resident_bytes(proxy.pid());

    // A large parameter of each, who are idle then.
    let parameter = vec![b'x'; 15_000_000];
    let idle = sessions(&proxy, 40, |session| {
        let id = session.prepare("SELECT LENGTH(?)").unwrap();
        let length = session.execute(id, &[Some(&parameter)]).unwrap();
        assert!(length.iter().any(|message| message.payload.ends_with(&15_000_000_u32.to_le_bytes())), "{length:?}");
    });
    let most = start + 30 * MEBIBYTE;
    let now = settled(&proxy, most);
    println!("memory: {} MiB, and {} MiB after {} large parameters", mib(start), mib(now), idle.len());
    assert!(now <= most, "{} MiB became {} MiB by idle clients", mib(start), mib(now));
    drop(idle);

    // Very many statements in one text.
    let start = settled(&proxy, start + 4 * MEBIBYTE);
    let mut session = Raw::app(proxy.read_write);
    // As many names as statements, and one name again and again.
    let parts: Vec<String> = (0..STATEMENTS / 2).map(|number| format!("SET @v{number}=1;SET @@sql_mode='';")).collect();
    let text = parts.concat() + "SELECT 1";
    let answer = session.say(&text);
    assert_eq!(answer.len(), "OK;".len() * STATEMENTS + 1, "{}", &answer[..answer.len().min(200)]);
    let most = start + 30 * MEBIBYTE;
    let now = settled(&proxy, most);
    println!("memory: {} MiB, and {} MiB after many statements", mib(start), mib(now));
    assert!(now <= most, "{} MiB became {} MiB by one text", mib(start), mib(now));
    assert_eq!(session.say("SELECT 1"), "1");
}

#[test]
fn a_second_wave_of_clients_takes_no_more_than_the_first() {
    const CLIENTS: usize = 1_500;
    let Some(cluster) = cluster() else { return };
    let proxy = Proxy::start(&cluster, "pool.max_backend_connections = 8\n");
    let wave = || {
        let clients = sessions(&proxy, CLIENTS, |session| session.run("INSERT INTO t VALUES (1)"));
        let resident = resident_bytes(proxy.pid());
        drop(clients);
        support::wait_for("they leave", SOON, || proxy.metric("mysql_proxy_client_connections") == 0.0);
        resident
    };
    let first = wave();
    let second = wave();
    let most = first + first / 6;
    let after = settled(&proxy, most);
    println!("memory: {} MiB with {CLIENTS} clients, {} MiB with as many again", mib(first), mib(second));
    assert!(second <= most, "{} MiB became {} MiB", mib(first), mib(second));
    assert!(after <= most, "{} MiB became {} MiB when they had left", mib(first), mib(after));
}
