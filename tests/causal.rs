//! Replicas serve the reads of sessions that write, and never from a state that is older than what the session wrote, or has
//! read. A checker that can fail: with `consistency = "eventual"` it finds stale reads.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use mysql_proxy::demo::{Cluster, Flavor, Member};
use mysql_proxy::wire::ok::{OkPacket, Tracked};
use mysql_proxy::wire::{Capabilities, Command};
use support::raw::{Raw, USUAL, Who};
use support::reply::Kind;
use support::{Proxy, on_both};

const SOON: Duration = Duration::from_secs(20);

on_both!(
    reads_behind_writes_run_on_replicas,
    nobody_reads_the_past_while_replicas_fall_behind_and_come_back,
    reads_see_what_was_written_through_another_proxy,
);

/// The members have no part in it, so one kind of them is enough.
#[test]
fn a_read_that_waits_ends_at_once_and_few_fall_back_at_a_time() {
    const LATE: Duration = Duration::from_secs(30);
    let Some(cluster) = counters(Flavor::MariaDb, 8) else { return };
    for replica in [1, 2] {
        cluster.set_delay(replica, LATE).unwrap();
    }
    waiting_ends(&Proxy::start(&cluster, "monitor.max_lag = '60s'\nrouting.causal_wait = '20s'"));
    let settings =
        "monitor.max_lag = '60s'\npool.acquire_timeout = '2s'\nrouting = { causal_wait = '0s', fallback_limit = 2 }";
    falling_back_is_bounded(&cluster, &Proxy::start(&cluster, settings));
}

/// A session that has written what no replica has, and waits to read it.
fn waiting(proxy: &Proxy) -> (Raw, u64) {
    let mut session = Raw::app(proxy.read_write);
    let id = session.number("SELECT CONNECTION_ID()");
    session.run("UPDATE counters SET v = v + 1 WHERE id = 0");
    session.send(Command::Query, b"SELECT v FROM counters WHERE id = 0").unwrap();
    support::wait_for("the read to wait", SOON, || board_waits(proxy) > 0.0);
    (session, id)
}

fn board_waits(proxy: &Proxy) -> f64 {
    proxy.metric("mysql_proxy_held_statements")
}

fn waiting_ends(proxy: &Proxy) {
    const AT_ONCE: Duration = Duration::from_secs(3);
    let mut other = Raw::app(proxy.read_write);
    let (mut session, id) = waiting(proxy);
    let begun = Instant::now();
    other.run(&format!("KILL QUERY {id}"));
    assert!(session.hear().unwrap().contains("1317"), "the statement was killed");
    assert!(begun.elapsed() < AT_ONCE, "{:?}", begun.elapsed());
    assert_eq!(session.say("/* proxy:primary */ SELECT 7"), "7");

    let (mut session, id) = waiting(proxy);
    let begun = Instant::now();
    other.run(&format!("KILL {id}"));
    let said = session.hear();
    assert!(said.as_ref().is_err() || said.as_ref().unwrap().contains("ERROR "), "{said:?}");
    assert!(begun.elapsed() < AT_ONCE && session.is_closed(), "{:?}", begun.elapsed());

    let (session, _) = waiting(proxy);
    drop(session);
    support::wait_for("nobody waits for who has left", AT_ONCE, || board_waits(proxy) == 0.0);
}

fn falling_back_is_bounded(cluster: &Cluster, proxy: &Proxy) {
    let read = |id: usize, seconds: f64| {
        let mut session = Raw::app(proxy.read_write);
        thread::spawn(move || {
            session.run(&format!("UPDATE counters SET v = v + 1 WHERE id = {id}"));
            let begun = Instant::now();
            let said = session.say(&format!("SELECT SLEEP({seconds}), v > 0 FROM counters WHERE id = {id}"));
            (said, begun.elapsed())
        })
    };
    let begun = Instant::now();
    let readers: Vec<_> = (0..8).map(|id| read(id, 0.3)).collect();
    for reader in readers {
        assert_eq!(reader.join().unwrap().0, "0 1");
    }
    assert!(begun.elapsed() >= Duration::from_millis(1_150), "eight of 0.3 s, two at a time: {:?}", begun.elapsed());

    // Whose turn does not come is told so.
    let mut readers: Vec<_> = (0..2).map(|id| read(id, 4.0)).collect();
    support::wait_for("both to run", SOON, || served(proxy, "primary") >= 10.0);
    let (said, took) = read(2, 0.0).join().unwrap();
    assert!(said.contains("9001") && said.contains("routing.fallback_limit"), "{said}");
    assert!((1.9..3.5).contains(&took.as_secs_f64()), "{took:?}");

    // And a replica that comes in time serves.
    let waiting = read(3, 0.0);
    thread::sleep(Duration::from_millis(300));
    cluster.set_delay(1, Duration::ZERO).unwrap();
    let (said, _) = waiting.join().unwrap();
    assert_eq!(said, "0 1");
    assert!(readers.pop().is_some_and(|reader| !reader.is_finished()), "the turns were all taken");
}

fn counters(flavor: Flavor, sessions: usize) -> Option<Cluster> {
    let cluster = support::cluster(flavor, |options| options.general_log = true)?;
    cluster.sql(0, "CREATE TABLE app.counters (id INT PRIMARY KEY, v BIGINT NOT NULL)").unwrap();
    for id in 0..sessions {
        cluster.sql(0, &format!("INSERT INTO app.counters VALUES ({id}, 0)")).unwrap();
    }
    for replica in [1, 2] {
        cluster.catch_up(replica, SOON).unwrap();
    }
    Some(cluster)
}

/// A session that raises a counter of its own and reads it back, as text and prepared.
struct Counting {
    session: Raw,
    id: usize,
    value: u64,
    select: u32,
}

impl Counting {
    fn new(address: SocketAddr, id: usize) -> Self {
        let mut session = Raw::app(address);
        let select =
            session.prepare(&format!("SELECT CAST(v AS CHAR) FROM counters WHERE id = {id} AND 1 = ?")).unwrap();
        Self { session, id, value: 0, select }
    }

    fn write(&mut self) {
        self.value += 1;
        let Self { id, value, .. } = self;
        self.session.run(&format!("UPDATE counters SET v = {value} WHERE id = {id}"));
    }

    /// The counter as it is read.
    fn read(&mut self, prepared: bool) -> u64 {
        if prepared {
            let row = self.session.execute_text(self.select, &["1"]).unwrap();
            return row[0].parse().unwrap();
        }
        self.session.number(&format!("SELECT v FROM counters WHERE id = {}", self.id))
    }
}

fn served(proxy: &Proxy, how: &str) -> f64 {
    proxy.metric(&format!("mysql_proxy_causal_reads_total{{how=\"{how}\"}}"))
}

/// How often the replicas were asked how far they are by somebody who waits for it.
fn questions(cluster: &Cluster) -> usize {
    let asked = |member: &Member| {
        let log = std::fs::read_to_string(member.general_log().unwrap()).unwrap();
        log.matches("MASTER_GTID_WAIT(").count() + log.matches("WAIT_FOR_EXECUTED_GTID_SET(").count()
    };
    asked(cluster.member(1)) + asked(cluster.member(2))
}

fn reads_behind_writes_run_on_replicas(flavor: Flavor) {
    let sessions = if support::long() { 64 } else { 8 };
    let Some(cluster) = counters(flavor, sessions) else { return };
    let proxy = Proxy::start(&cluster, "routing.causal_wait = '1s'");
    // The cluster's own start has asked, too.
    let before = questions(&cluster);
    let mut reader = Raw::app(proxy.read_write);
    for _ in 0..50 {
        assert_eq!(reader.number("SELECT v FROM counters WHERE id = 0"), 0);
    }
    assert_eq!(questions(&cluster), before, "nobody has written, so nothing is to be asked");

    count_by_turns(&proxy, sessions, if support::long() { 300 } else { 40 });
    println!("{flavor:?}: {} questions", questions(&cluster));
    let asked = questions(&cluster);
    thread::sleep(Duration::from_millis(300));
    assert_eq!(questions(&cluster), asked, "nobody waits any more");
    reads_by_turns(&mut reader);
}

/// A session that reads all the time, and never an older state, uses the replicas alike.
fn reads_by_turns(reader: &mut Raw) {
    let mut served: BTreeMap<String, u32> = BTreeMap::new();
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(5) {
        *served.entry(reader.say("SELECT @@server_id FROM counters WHERE id = 0")).or_default() += 1;
    }
    println!("one session's reads by member: {served:?}");
    let (all, least) = (served.values().sum::<u32>(), served.values().min().copied().unwrap_or_default());
    assert!(served.len() == 2 && least * 5 >= all, "the replicas are used unequally: {served:?}");
}

/// One write, nine reads, by turns; nearly all reads run on replicas.
fn count_by_turns(proxy: &Proxy, sessions: usize, rounds: usize) {
    let begun = Instant::now();
    let threads: Vec<_> = (0..sessions)
        .map(|id| {
            let mut counting = Counting::new(proxy.read_write, id);
            thread::spawn(move || {
                for _ in 0..rounds {
                    counting.write();
                    for read in 0..9 {
                        assert_eq!(counting.read(read % 2 == 0), counting.value, "session {id} missed its write");
                    }
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    let (applied, waited, primary) = (served(proxy, "applied"), served(proxy, "waited"), served(proxy, "primary"));
    let share = (applied + waited) / (applied + waited + primary);
    println!("{applied} reads at once, {waited} waited, {primary} on the primary");
    assert!(share >= 0.95, "only {share:.3} of the reads ran on replicas");
    assert!(waited > 0.0, "somebody must have come before the replicas had it");
    // Each write is waited for once, and a session leaves a replica that is busier at most once a second.
    let [writes, sessions] = [sessions * rounds, sessions].map(|count| f64::from(u32::try_from(count).unwrap()));
    let moves = sessions * (begun.elapsed().as_secs_f64() + 1.0);
    assert!(waited <= 1.2 * writes + moves, "{waited} reads waited behind {writes} writes, {moves:.0} moves");
}

/// Where transactions have no GTIDs, the places in the binary log tell how far a replica is.
#[test]
fn reads_behind_writes_run_on_replicas_that_have_no_gtids() {
    let Some(cluster) = counters(Flavor::MySql, 8) else { return };
    for replica in [1, 2] {
        let by_place = "STOP REPLICA; CHANGE REPLICATION SOURCE TO SOURCE_AUTO_POSITION = 0; START REPLICA";
        cluster.sql(replica, by_place).unwrap();
    }
    for mode in ["ON_PERMISSIVE", "OFF_PERMISSIVE", "OFF"] {
        (0..3).for_each(|member| drop(cluster.sql(member, &format!("SET GLOBAL gtid_mode = {mode}")).unwrap()));
    }
    let proxy = Proxy::start(&cluster, "routing.causal_wait = '1s'");
    count_by_turns(&proxy, 8, 40);
    // The primary's log begins anew: what replicas have of the old one proves nothing, also to a proxy that has asked nobody yet
    // and whose monitor comes late.
    let late = Proxy::start(&cluster, "routing.causal_wait = '1s'\nmonitor.interval = '5s'");
    let mut session = Raw::app(late.read_write);
    cluster.sql(0, "RESET BINARY LOGS AND GTIDS").unwrap();
    for value in 1..4 {
        session.run(&format!("UPDATE counters SET v = {value} WHERE id = 0"));
        assert_eq!(session.number("SELECT v FROM counters WHERE id = 0"), value, "{}", session.say("SHOW PROXY ROUTE"));
    }
}

/// How long is checked, and what happens to the replicas meanwhile.
#[derive(Clone, Copy)]
struct Plan {
    sessions: usize,
    checks: u64,
    /// The short form ends by the clock, however few checks it came to.
    time: Duration,
    /// The longest that replicas are delayed.
    delay: u64,
}

impl Plan {
    /// `MYSQL_PROXY_CAUSAL` gives the number of checks (`make causal`).
    fn by_environment() -> Self {
        match std::env::var("MYSQL_PROXY_CAUSAL").ok().and_then(|text| text.parse().ok()) {
            Some(checks) => Self { sessions: 64, checks, time: Duration::from_secs(3600), delay: 5 },
            None => Self { sessions: 8, checks: u64::MAX, time: Duration::from_secs(10), delay: 1 },
        }
    }
}

/// What happens to the replicas meanwhile: delays, a stopped SQL thread, a replica that is killed and comes back.
fn trouble(cluster: &Mutex<Cluster>, delay: u64, is_over: impl Fn() -> bool) {
    let mut turn = 0;
    while !is_over() {
        let replica = 1 + turn % 2;
        turn += 1;
        let mut cluster = cluster.lock().unwrap();
        match turn % 4 {
            0 => cluster.set_delay(replica, Duration::from_secs(1 + turn as u64 / 4 % delay)).unwrap(),
            1 => {
                let word = if cluster.sql(replica, "SELECT VERSION()").unwrap()[0][0].contains("Maria") {
                    "SLAVE"
                } else {
                    "REPLICA"
                };
                cluster.sql(replica, &format!("STOP {word} SQL_THREAD")).unwrap();
                thread::sleep(Duration::from_millis(700));
                cluster.sql(replica, &format!("START {word} SQL_THREAD")).unwrap();
            }
            2 => cluster.set_delay(replica, Duration::ZERO).unwrap(),
            _ => {
                cluster.kill(replica).unwrap();
                thread::sleep(Duration::from_millis(300));
                cluster.restart(replica).unwrap();
            }
        }
        drop(cluster);
        thread::sleep(Duration::from_millis(500));
    }
}

/// Stale reads, reads that went back, and all of them.
#[derive(Debug, Default)]
struct Found {
    stale: AtomicU64,
    back: AtomicU64,
    checks: AtomicU64,
}

fn check(address: SocketAddr, id: usize, others: usize, is_over: impl Fn() -> bool, found: &Found) {
    let mut counting = Counting::new(address, id);
    let mut seen = vec![0u64; others];
    while !is_over() {
        counting.write();
        for read in 0..6usize {
            found.checks.fetch_add(1, Ordering::Relaxed);
            if counting.read(read % 2 == 0) != counting.value {
                found.stale.fetch_add(1, Ordering::Relaxed);
            }
            let other = (id + read + 1) % others;
            let value = counting.session.number(&format!("SELECT v FROM counters WHERE id = {other}"));
            found.checks.fetch_add(1, Ordering::Relaxed);
            if value < seen[other] {
                found.back.fetch_add(1, Ordering::Relaxed);
            }
            seen[other] = value;
        }
    }
}

fn run_checks(cluster: Cluster, settings: &str, plan: Plan) -> (Cluster, Arc<Found>) {
    let proxy = Proxy::start(&cluster, settings);
    let found = Arc::new(Found::default());
    let is_over = {
        let (until, found) = (Instant::now() + plan.time, Arc::clone(&found));
        move || Instant::now() > until || found.checks.load(Ordering::Relaxed) >= plan.checks
    };
    let threads: Vec<_> = (0..plan.sessions)
        .map(|id| {
            let (address, found, is_over) = (proxy.read_write, Arc::clone(&found), is_over.clone());
            thread::spawn(move || check(address, id, plan.sessions, is_over, &found))
        })
        .collect();
    let cluster = Mutex::new(cluster);
    trouble(&cluster, plan.delay, is_over);
    for thread in threads {
        thread.join().unwrap();
    }
    let applied = served(&proxy, "applied") + served(&proxy, "waited");
    println!("{settings:?}: {found:?}, {applied} reads on replicas, {} on the primary", served(&proxy, "primary"));
    (cluster.into_inner().unwrap(), found)
}

fn nobody_reads_the_past_while_replicas_fall_behind_and_come_back(flavor: Flavor) {
    let plan = Plan::by_environment();
    let Some(cluster) = counters(flavor, plan.sessions) else { return };
    let (cluster, found) = run_checks(cluster, "", plan);
    assert_eq!(found.stale.load(Ordering::Relaxed), 0, "a session did not see its own write: {found:?}");
    assert_eq!(found.back.load(Ordering::Relaxed), 0, "a session saw the past: {found:?}");

    // The same checks find what they look for.
    for replica in [1, 2] {
        cluster.set_delay(replica, Duration::from_secs(1)).unwrap();
    }
    let plan = Plan { sessions: 8, time: Duration::from_secs(3), delay: 1, ..plan };
    let (_, found) = run_checks(cluster, "routing.consistency = 'eventual'", plan);
    assert!(found.stale.load(Ordering::Relaxed) > 0, "the checker cannot fail: {found:?}");
}

fn reads_see_what_was_written_through_another_proxy(flavor: Flavor) {
    let Some(cluster) = counters(flavor, 1) else { return };
    let settings = "routing = { consistency = 'global', causal_wait = '1s' }";
    let (one, other) = (Proxy::start(&cluster, settings), Proxy::start(&cluster, settings));
    let mut value = 0;
    global(&one, &other, &mut value);
    for consistency in ["session", "eventual"] {
        let settings = format!("routing = {{ consistency = '{consistency}', causal_wait = '1s' }}");
        let other = Proxy::start(&cluster, &settings);
        tokens(&one, &other, &mut value);
    }
    tokens_by_tracker(&one, &other, &mut value);
    tokens_of_writes_without_a_name(&cluster, &one, &other);
    tokens_that_do_not_count(flavor, &cluster, &one);
}

/// How often somebody writes and somebody else reads; `make causal`: a tenth of its checks.
fn times() -> u64 {
    let checks = std::env::var("MYSQL_PROXY_CAUSAL").ok().and_then(|text| text.parse::<u64>().ok());
    checks.map_or(300, |checks| checks / 10)
}

/// Writes and reads by turns; gives how many reads ran on replicas, and on the primary.
fn by_turns(other: &Proxy, mut turn: impl FnMut(bool)) -> (f64, f64) {
    let served = || (served(other, "applied") + served(other, "waited"), served(other, "primary"));
    let before = served();
    for number in 0..times() {
        turn(number % 2 == 0);
    }
    let after = served();
    (after.0 - before.0, after.1 - before.1)
}

fn global(one: &Proxy, other: &Proxy, value: &mut u64) {
    let (mut writer, mut reader) = (Raw::app(one.read_write), Raw::app(other.read_write));
    let id = reader.prepare("SELECT CAST(v AS CHAR) FROM counters WHERE id = ?").unwrap();
    let (replicas, primary) = by_turns(other, |as_text| {
        *value += 1;
        writer.run(&format!("UPDATE counters SET v = {value} WHERE id = 0"));
        let seen: u64 = if as_text {
            reader.number("SELECT v FROM counters WHERE id = 0")
        } else {
            reader.execute_text(id, &["0"]).unwrap()[0].parse().unwrap()
        };
        assert_eq!(seen, *value, "{}", reader.say("SHOW PROXY ROUTE"));
    });
    println!("global: {replicas} on replicas, {primary} on the primary");
    assert!(replicas > 9.0 * primary, "{replicas} reads on replicas, {primary} on the primary");
}

/// Each read brings along the token of the session that wrote.
fn tokens(one: &Proxy, other: &Proxy, value: &mut u64) {
    let (mut writer, mut reader) = (Raw::app(one.read_write), Raw::app(other.read_write));
    let (replicas, primary) = by_turns(other, |as_text| {
        *value += 1;
        writer.run(&format!("UPDATE counters SET v = {value} WHERE id = 0"));
        let token = writer.say("SHOW PROXY TOKEN");
        let seen: u64 = if as_text {
            reader.number(&format!("/* proxy:after={token} */ SELECT v FROM counters WHERE id = 0"))
        } else {
            let sql = format!("SELECT CAST(v AS CHAR) FROM counters WHERE id = ? -- proxy:after={token}");
            let id = reader.prepare(&sql).unwrap();
            let row = reader.execute_text(id, &["0"]).unwrap();
            reader.close(id);
            row[0].parse().unwrap()
        };
        assert_eq!(seen, *value, "{token}: {}", reader.say("SHOW PROXY ROUTE"));
    });
    println!("token: {replicas} on replicas, {primary} on the primary");
    assert!(replicas > 9.0 * primary, "{replicas} reads on replicas, {primary} on the primary");
}

/// Whoever asks for it is told the token with the reply to each write.
fn tokens_by_tracker(one: &Proxy, other: &Proxy, value: &mut u64) {
    let mut reader = Raw::app(other.read_write);
    let mut writer = told_of_trackers(one.read_write, true);
    assert_eq!(token_told(&mut writer, &counted("@", value)), None, "nobody has asked");
    assert_eq!(token_told(&mut writer, "SET @proxy_track_token = 1"), None, "nothing was written");
    for lines in [&["@"][..], &["BEGIN", "@", "@", "COMMIT"], &["@; @"], &["DO 1; @"], &["@", "@", "SELECT 1"]] {
        let told = lines.iter().filter_map(|line| token_told(&mut writer, &counted(line, value)));
        let token = told.last().unwrap_or_else(|| panic!("no token behind {lines:?}"));
        assert_eq!(token, writer.say("SHOW PROXY TOKEN"), "{lines:?}");
        let seen = reader.number(&format!("/* proxy:after={token} */ SELECT v FROM counters WHERE id = 0"));
        assert_eq!(seen, *value, "{lines:?}");
    }
    assert_eq!(token_told(&mut writer, "SET @proxy_track_token = 0"), None);
    assert_eq!(token_told(&mut writer, &counted("@", value)), None, "nobody asks any more");
    // A write without a name is in no token that is told later; it says so.
    writer.run("SET @proxy_track_token = 1");
    let failed = writer.say("INSERT INTO counters VALUES (0, 7)");
    assert!(failed.contains("ERROR 1062"), "{failed}");
    let told = token_told(&mut writer, &counted("@", value)).unwrap();
    let asked = writer.say("SHOW PROXY TOKEN");
    assert!(told.is_empty() || told == asked, "{told}, {asked}");
    // A client that cannot be told is not.
    let mut deaf = told_of_trackers(one.read_write, false);
    deaf.run("SET @proxy_track_token = 1");
    deaf.run(&counted("@", value));
}

/// Writes an `UPDATE` with the next value for each `@`.
fn counted(line: &str, value: &mut u64) -> String {
    let update = |value: &mut u64| {
        *value += 1;
        format!("UPDATE counters SET v = {value} WHERE id = 0")
    };
    line.split('@').enumerate().map(|(at, text)| if at == 0 { text.to_owned() } else { update(value) + text }).collect()
}

fn told_of_trackers(address: SocketAddr, is_told: bool) -> Raw {
    let mut capabilities = USUAL | Capabilities::MULTI_STATEMENTS;
    capabilities.set(Capabilities::SESSION_TRACK, is_told);
    Raw::connect(address, &Who { capabilities, ..Who::named("app") }).unwrap()
}

/// The token that comes with the last packet of the reply.
fn token_told(session: &mut Raw, sql: &str) -> Option<String> {
    let reply = session.ask(Command::Query, sql.as_bytes(), Kind::Results).unwrap();
    let ok = OkPacket::parse(&reply.last()?.payload, USUAL | Capabilities::SESSION_TRACK).unwrap();
    ok.tracked().find_map(|told| match told {
        Tracked::Variable { name: b"proxy_token", value } => Some(String::from_utf8_lossy(value).into_owned()),
        _ => None,
    })
}

/// What was written without a tracker to tell of it is in the token too.
fn tokens_of_writes_without_a_name(cluster: &Cluster, one: &Proxy, other: &Proxy) {
    cluster.sql(0, "CREATE PROCEDURE app.raise() UPDATE counters SET v = v + 1 WHERE id = 0").unwrap();
    let (mut writer, mut reader) = (Raw::app(one.read_write), Raw::app(other.read_write));
    for _ in 0..20 {
        writer.say("CALL raise()");
        let wanted = writer.number("/* proxy:primary */ SELECT v FROM counters WHERE id = 0");
        let token = writer.say("SHOW PROXY TOKEN");
        let seen = reader.number(&format!("/* proxy:after={token} */ SELECT v FROM counters WHERE id = 0"));
        assert_eq!(seen, wanted, "{token}: {}", reader.say("SHOW PROXY ROUTE"));
    }
    // Whoever has written nothing gives what everybody has.
    let token = Raw::app(one.read_write).say("SHOW PROXY TOKEN");
    assert!(!reader.say(&format!("/* proxy:after={token} */ SELECT v FROM counters")).contains("ERROR "), "{token}");
}

/// A clear error, for reads and for writes, and the session goes on.
fn tokens_that_do_not_count(flavor: Flavor, cluster: &Cluster, one: &Proxy) {
    let elsewhere = match flavor {
        // Two clusters of MariaDB give the same GTIDs: the configuration is what tells them apart.
        Flavor::MariaDb => {
            let members: Vec<_> = cluster.members().iter().take(2).map(Member::address).collect();
            Raw::app(Proxy::start_before(&members, "").read_write).say("SHOW PROXY TOKEN")
        }
        Flavor::MySql => "v1.00000000.o.3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5".to_owned(),
    };
    let mut session = Raw::app(one.read_write);
    let ahead = match flavor {
        Flavor::MariaDb => {
            let mut writer = Raw::app(one.read_write);
            writer.run("UPDATE counters SET v = v + 1");
            let token = writer.say("SHOW PROXY TOKEN");
            let (front, number) = token.rsplit_once('-').unwrap();
            format!("{front}-{}", number.parse::<u64>().unwrap() + 1_000_000)
        }
        Flavor::MySql => elsewhere.clone(),
    };
    let before = session.number("SELECT v FROM counters WHERE id = 0");
    for token in ["", "nonsense", "0-1-7", "v1.12345678.m.", &elsewhere, &ahead] {
        for sql in ["SELECT v FROM counters WHERE id = 0", "UPDATE counters SET v = 0"] {
            let said = session.say(&format!("/* proxy:after={token} */ {sql}"));
            let is_empty_here = token == "v1.12345678.m." && flavor == Flavor::MySql;
            if is_empty_here {
                continue;
            }
            assert!(said.contains("ERROR ") && said.contains("mysql-proxy: proxy:after: "), "{token}: {sql}: {said}");
        }
    }
    if flavor == Flavor::MariaDb {
        assert_eq!(session.number("SELECT v FROM counters WHERE id = 0"), before);
    }
    assert_eq!(session.say("SELECT 7 FROM counters"), "7");
}
