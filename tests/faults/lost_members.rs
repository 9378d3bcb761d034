//! Members that die or freeze while they serve.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use mysql_proxy::demo::{Cluster, Flavor, Signal};

use crate::soak::relay::{Afterwards, Relay};
use crate::support::raw::Raw;
use crate::support::{self, Proxy, on_both, wait_for};

const SOON: Duration = Duration::from_secs(20);

on_both!(
    a_killed_replica_costs_nobody_an_error_after_the_statement_in_flight,
    a_frozen_replica_is_left_and_taken_back,
    a_killed_primary_leaves_the_outcome_of_a_write_unknown_and_ends_transactions,
    a_primary_that_vanishes_ends_what_waits_for_it,
);

/// Clients that read all the time.
struct Load {
    stop: Arc<AtomicBool>,
    done: Arc<AtomicU64>,
    readers: Vec<JoinHandle<Vec<Failed>>>,
}

/// A read that failed: when it was sent, when the error came, and what it said.
#[derive(Debug)]
struct Failed {
    sent: Instant,
    told: Instant,
    error: String,
}

impl Load {
    fn start(proxy: &Proxy) -> Self {
        let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let readers = (0..8).map(|_| {
            let (stop, done, mut session) = (Arc::clone(&stop), Arc::clone(&done), Raw::app(proxy.read_write));
            session.patience(SOON);
            thread::spawn(move || {
                let mut failed = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    let sent = Instant::now();
                    // Some answers have many packets, so that a member is lost in the middle of one, too.
                    let said = session.say("SELECT a, REPEAT('x', 2000) FROM t");
                    if said.contains("ERROR ") {
                        let error = said[said.find("ERROR ").unwrap()..].to_owned();
                        failed.push(Failed { sent, told: Instant::now(), error });
                    } else {
                        assert_eq!(said.matches('|').count(), 99);
                    }
                    done.fetch_add(1, Ordering::Relaxed);
                }
                failed
            })
        });
        Self { readers: readers.collect(), stop, done }
    }

    fn goes_on(&self, for_long: Duration) {
        let (until, before) = (Instant::now() + for_long, self.done.load(Ordering::Relaxed));
        wait_for("reads go on", SOON, || Instant::now() > until && self.done.load(Ordering::Relaxed) > before + 50);
    }

    fn stop(self) -> Vec<Vec<Failed>> {
        self.stop.store(true, Ordering::Relaxed);
        self.readers.into_iter().map(|reader| reader.join().unwrap()).collect()
    }
}

fn loaded(cluster: &Cluster) {
    let rows: Vec<String> = (0..100).map(|number| format!("({number})")).collect();
    let rows = rows.join(", ");
    cluster.sql(0, &format!("CREATE TABLE app.t (a INT PRIMARY KEY); INSERT INTO app.t VALUES {rows}")).unwrap();
    cluster.catch_up(1, SOON).unwrap();
    cluster.catch_up(2, SOON).unwrap();
}

/// Waits until a member serves reads.
fn serves(cluster: &Cluster, proxy: &Proxy, member: usize) {
    let address = cluster.member(member).address().to_string();
    wait_for("a replica serves reads again", SOON, || {
        let mut session = Raw::app(proxy.read_write);
        session.say("SELECT COUNT(*) FROM t");
        session.say("SHOW PROXY ROUTE").contains(&address)
    });
}

fn a_killed_replica_costs_nobody_an_error_after_the_statement_in_flight(flavor: Flavor) {
    let Some(mut cluster) = support::cluster(flavor, |_| ()) else { return };
    loaded(&cluster);
    let proxy = Proxy::start(&cluster, "");
    let load = Load::start(&proxy);
    load.goes_on(Duration::from_millis(500));
    serves(&cluster, &proxy, 1);
    cluster.kill(1).unwrap();
    let killed = Instant::now();
    load.goes_on(Duration::from_secs(3));
    cluster.restart(1).unwrap();
    serves(&cluster, &proxy, 1);
    load.goes_on(Duration::from_secs(1));
    for failed in load.stop() {
        assert!(failed.len() <= 1, "more than the statement in flight: {failed:?}");
        for Failed { sent, error, .. } in failed {
            assert!(sent <= killed, "an error after the replica's end: {error}");
            // What had not begun is repeated on another member; only half a result cannot be.
            assert!(error.starts_with("ERROR 2013 (HY000): mysql-proxy: "), "{error}");
        }
    }
}

fn a_frozen_replica_is_left_and_taken_back(flavor: Flavor) {
    let Some(mut cluster) = support::cluster(flavor, |_| ()) else { return };
    loaded(&cluster);
    let proxy = Proxy::start(&cluster, "");
    let load = Load::start(&proxy);
    load.goes_on(Duration::from_millis(500));
    cluster.signal(2, Signal::Stop).unwrap();
    let frozen = Instant::now();
    // Nobody waits for the frozen member for long, not even those whose statement it has.
    load.goes_on(Duration::from_secs(4));
    let mut session = Raw::app(proxy.read_write);
    let sent = Instant::now();
    assert_eq!(session.number("SELECT COUNT(*) FROM t"), 100);
    assert!(sent.elapsed() < Duration::from_secs(1), "a new session waited {:?}", sent.elapsed());
    let failed = load.stop();
    let thawed = frozen.elapsed();
    assert!(thawed < Duration::from_secs(20), "clients hung on the frozen member for {thawed:?}");
    for Failed { sent, told, error } in failed.into_iter().flatten() {
        assert!(sent <= frozen + Duration::from_secs(3), "{error} after {:?}", told - sent);
    }
    cluster.signal(2, Signal::Continue).unwrap();
    serves(&cluster, &proxy, 2);
}

/// Waits until the primary runs a statement of the application's.
fn runs(cluster: &Cluster, marker: &str) {
    let ask =
        format!("SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE INFO LIKE '%{marker}%' AND USER = 'app'");
    wait_for("the statement runs on the primary", SOON, || cluster.sql(0, &ask).unwrap() == [["1"]]);
}

fn a_killed_primary_leaves_the_outcome_of_a_write_unknown_and_ends_transactions(flavor: Flavor) {
    let Some(mut cluster) = support::cluster(flavor, |options| options.replicas = 1) else { return };
    cluster.sql(0, "CREATE TABLE app.t (a INT PRIMARY KEY)").unwrap();
    cluster.catch_up(1, SOON).unwrap();
    let proxy = Proxy::start(&cluster, "");

    let mut writer = Raw::app(proxy.read_write);
    let mut in_transaction = Raw::app(proxy.read_write);
    let mut idle_in_transaction = Raw::app(proxy.read_write);
    for session in [&mut in_transaction, &mut idle_in_transaction] {
        session.run("BEGIN");
    }
    in_transaction.run("INSERT INTO t VALUES (1)");
    idle_in_transaction.run("INSERT INTO t VALUES (2)");
    let write = thread::spawn(move || (writer.say("INSERT INTO t SELECT 3 + SLEEP(50)"), writer));
    let within = thread::spawn(move || (in_transaction.say("SELECT SLEEP(51)"), in_transaction));
    runs(&cluster, "SLEEP(50)");
    runs(&cluster, "SLEEP(51)");
    // A transaction that has not begun has nothing to lose.
    let mut beginning = Raw::app(proxy.read_write);
    beginning.run("BEGIN");
    beginning.run("COMMIT");
    cluster.signal(0, Signal::Stop).unwrap();
    let beginning = thread::spawn(move || {
        beginning.patience(SOON);
        (beginning.say("BEGIN"), beginning)
    });
    thread::sleep(Duration::from_millis(200));
    cluster.kill(0).unwrap();

    let (said, writer) = write.join().unwrap();
    assert!(said.starts_with("ERROR 1180 (HY000): mysql-proxy: "), "{said}");
    assert!(proxy.log().contains("in a commit whose outcome nobody knows"), "{}", proxy.log());
    let (said, in_transaction) = within.join().unwrap();
    assert!(said.starts_with("ERROR 2013 (HY000): mysql-proxy: "), "{said}");
    let said = idle_in_transaction.say("INSERT INTO t VALUES (4)");
    assert!(said.starts_with("ERROR 2013 (HY000): mysql-proxy: "), "{said}");

    cluster.restart(0).unwrap();
    let (said, mut beginning) = beginning.join().unwrap();
    assert_eq!(said, "OK");
    beginning.run("INSERT INTO t VALUES (5)");
    beginning.run("ROLLBACK");
    for (number, mut session) in [writer, in_transaction, idle_in_transaction].into_iter().enumerate() {
        // The connection is usable, in no transaction, and its writes wait for the primary.
        session.run(&format!("INSERT INTO t VALUES ({})", 10 + number));
        session.run("ROLLBACK");
        assert_eq!(session.number("SELECT COUNT(*) FROM t"), 1 + number as u64);
    }
}

/// No reset, no end: the machine, or the way to it, is gone.
fn a_primary_that_vanishes_ends_what_waits_for_it(flavor: Flavor) {
    let Some(cluster) = support::cluster(flavor, |options| options.replicas = 0) else { return };
    let rows = ["(0)"; 40].join(", ");
    cluster.sql(0, &format!("CREATE TABLE app.t (a INT); INSERT INTO app.t VALUES {rows}")).unwrap();
    let way = Relay::before(cluster.primary().address());
    let proxy = Proxy::start_before(&[way.address], "pool.max_backend_connections = 10");
    let mut sessions: Vec<Raw> = (0..8).map(|_| Raw::app(proxy.read_write)).collect();
    sessions[2..].iter_mut().for_each(|session| session.run("BEGIN"));
    let reading = thread::spawn({
        let mut reading = sessions.pop().unwrap();
        move || {
            reading.try_say("SELECT REPEAT('x', 20000), SLEEP(0.2) FROM t").unwrap_or_else(|error| error.to_string())
        }
    });
    runs(&cluster, "SLEEP(0.2)");
    let mut writing = sessions.remove(1);
    let writing = thread::spawn(move || (writing.say("INSERT INTO t SELECT SLEEP(50)"), writing));
    runs(&cluster, "SLEEP(50)");
    let prepared = sessions[0].prepare("INSERT INTO t VALUES (?)").unwrap();
    way.cut();
    let cut = Instant::now();
    // It leaves a transaction, which is to be taken away from the connection.
    drop(sessions.pop());
    let mut late = sessions.pop().unwrap();
    let asks: [(&str, &str); 4] =
        [("", "1180"), ("INSERT INTO t VALUES (1)", "2013"), ("COMMIT", "1180"), ("SELECT COUNT(*) FROM t", "2013")];
    let stuck: Vec<_> = sessions
        .into_iter()
        .zip(asks)
        .map(|(mut session, (sql, code))| {
            thread::spawn(move || {
                let said = if sql.is_empty() {
                    format!("ERROR {}", session.execute_text(prepared, &["5"]).unwrap_err())
                } else {
                    session.say(sql)
                };
                assert!(said.starts_with(&format!("ERROR {code} (HY000): mysql-proxy: ")), "{sql}: {said}");
                session
            })
        })
        .collect();
    let mut sessions: Vec<Raw> = stuck.into_iter().map(|session| session.join().unwrap()).collect();
    let (said, writer) = writing.join().unwrap();
    assert!(said.starts_with("ERROR 1180 (HY000): mysql-proxy: "), "{said}");
    sessions.push(writer);
    let read = reading.join().unwrap();
    // Only in the middle of a packet nothing can follow.
    assert!(read.contains("ERROR 2013 (HY000): mysql-proxy: ") || !read.contains("xxx"), "{read}");
    assert!(cut.elapsed() < SOON / 2, "it took {:?}", cut.elapsed());
    let said = late.say("INSERT INTO t VALUES (3)");
    assert!(said.starts_with("ERROR 2013 (HY000): mysql-proxy: "), "{said}");
    way.mend(Afterwards::Forgets);
    // Every place is free again.
    sessions.extend((0..5).map(|_| Raw::app(proxy.read_write)));
    assert_eq!(sessions.len(), 10);
    for session in &mut sessions {
        session.patience(SOON);
        assert_eq!(session.say("BEGIN"), "OK");
    }
}
