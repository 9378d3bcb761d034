//! A soak: clients that vanish, never read and stop in the middle, members whose network is cut, and at the end
//! everything as at the start.
//!
//! Half a minute of it runs with all tests; `make soak` (or `MYSQL_PROXY_SOAK=600`, in seconds) is the long form.
//! `MYSQL_PROXY_SOAK_ONLY` names those of the careless clients that take part, to find out whose fault something is.

mod careful;
mod careless;
mod figures;
pub mod relay;

use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use mysql_proxy::demo::{Cluster, Flavor};

use crate::support::{self, Proxy};
use careful::{Guild, Slow};
use careless::{Crowd, Fault};
use figures::Figures;
use relay::{Afterwards, Relay};

const SOON: Duration = Duration::from_secs(30);
/// What is never good for a turn of a careful client, also on a machine that does other things.
const TOO_SLOW: Duration = Duration::from_secs(2);
/// Some wait for the member, until `pool.acquire_timeout`.
const TOO_SLOW_IN_AN_OUTAGE: Duration = Duration::from_secs(15);
/// Long enough for the monitor to notice it.
const QUICK_CUT: Duration = Duration::from_secs(2);
/// The primary and its replica.
const MEMBERS: usize = 2;
const ONCE: [(usize, Afterwards); 2] = [(1, Afterwards::Delivers), (0, Afterwards::Forgets)];

/// How long everything takes.
struct Plan {
    warm_up: Duration,
    soak: Duration,
    /// How long the network of a member is cut.
    cut: Duration,
    /// Which member is cut, one after the other, and how its network comes back.
    cuts: Vec<(usize, Afterwards)>,
    careless: Vec<Fault>,
    /// Connections of members' followers, which are kept for a while.
    followers: usize,
    /// How long memory may take to be given back.
    settling: Duration,
    /// What may be added beyond that, in bytes: what the allocator has not given back in so short a time.
    slack: u64,
    /// What part of the memory after the warm-up may be added: a short one has not seen all of it.
    growth: u64,
}

impl Plan {
    fn by_environment() -> Self {
        let variable = |name: &str| std::env::var(name).ok();
        let seconds = variable("MYSQL_PROXY_SOAK").and_then(|text| text.parse().ok()).unwrap_or(14);
        let only = variable("MYSQL_PROXY_SOAK_ONLY");
        let takes_part = |fault: &Fault| only.as_ref().is_none_or(|names| names.contains(&format!("{fault:?}")));
        let careless = careless::ALL.into_iter().filter(takes_part).collect();
        if seconds < 120 {
            let (warm_up, cut) = (Duration::from_secs(8), QUICK_CUT);
            let (soak, settling) = (Duration::from_secs(seconds), Duration::from_secs(1));
            let cuts = ONCE.to_vec();
            return Self {
                warm_up,
                soak,
                cut,
                cuts,
                careless,
                followers: MEMBERS,
                settling,
                slack: 5 << 19,
                growth: 4,
            };
        }
        Self {
            warm_up: Duration::from_secs(120),
            soak: Duration::from_secs(seconds),
            cut: Duration::from_secs(20),
            cuts: [ONCE, [(1, Afterwards::Forgets), (0, Afterwards::Delivers)]].concat(),
            careless,
            followers: 0,
            settling: Duration::from_secs(20),
            slack: 0,
            growth: 10,
        }
    }
}

/// When a member could not be reached, with the time that everybody has to notice that it can be again.
type Outage = (Instant, Instant);

struct Ground {
    cluster: Cluster,
    relays: Vec<Relay>,
    proxy: Proxy,
}

const CONFIGURATION: &str = "\
pool.max_backend_connections = 40
pool.idle_timeout = '2s'
limits.client_read_timeout = '2s'
limits.client_write_timeout = '2s'
";

fn ground() -> Option<Ground> {
    let cluster = support::cluster(Flavor::MariaDb, |options| options.replicas = 1)?;
    let rows: Vec<String> = (0..400).map(|number| format!("({number}, 0)")).collect();
    let rows = rows.join(", ");
    let tables = format!(
        "CREATE TABLE app.t (a INT PRIMARY KEY, b BIGINT); INSERT INTO app.t VALUES {rows}; \
         CREATE TABLE app.slept (a BIGINT)"
    );
    cluster.sql(0, &tables).unwrap();
    cluster.catch_up(1, SOON).unwrap();
    let relays: Vec<Relay> = cluster.members().iter().map(|member| Relay::before(member.address())).collect();
    let addresses: Vec<_> = relays.iter().map(|relay| relay.address).collect();
    let proxy = Proxy::start_before(&addresses, CONFIGURATION);
    Some(Ground { cluster, relays, proxy })
}

impl Ground {
    /// All clients for a while, and the network cut in between; then the figures, when everybody has left who is going
    /// to: careless clients of the last turn keep their sockets.
    fn soak(
        &self,
        duration: Duration,
        plan: &Plan,
        cut: Duration,
        cuts: &[(usize, Afterwards)],
    ) -> (Figures, Vec<String>) {
        let (crowd, guild) = (Crowd::default(), Guild::default());
        let begin = Instant::now();
        let (mut outages, mut turns) = (Vec::new(), 0);
        thread::scope(|scope| {
            let address = self.proxy.read_write;
            let careful = careful::ALL.iter().chain(&careful::ALL).enumerate();
            for (number, &work) in careful {
                let guild = &guild;
                scope.spawn(move || guild.work(work, address, 100 + number as u64));
            }
            let (guild_watch, primary) = (&guild, self.cluster.primary().address());
            scope.spawn(move || guild_watch.watch(primary, 399));
            let careless = plan.careless.iter().chain(&plan.careless);
            let crowd = &crowd;
            let careless: Vec<_> =
                careless.map(|&fault| scope.spawn(move || crowd.misbehave(fault, address))).collect();
            let every = duration / (cuts.len() as u32 + 1);
            for &(member, afterwards) in cuts {
                thread::sleep(every.saturating_sub(cut));
                outages.push(self.outage(member, cut, afterwards));
                println!("soak: {:4} s, {}", begin.elapsed().as_secs(), Figures::of(&self.proxy));
            }
            thread::sleep(duration.saturating_sub(begin.elapsed()));
            println!("soak: {:4} s, {}", begin.elapsed().as_secs(), Figures::of(&self.proxy));
            guild.end();
            crowd.end();
            turns = careless.into_iter().map(|client| client.join().unwrap()).sum();
        });
        let done = guild.done.load(Ordering::Relaxed);
        println!("soak: {done} turns of careful clients, {turns} of careless ones");
        let figures = self.quiet(plan.settling);
        drop(crowd);
        (figures, faults(&guild, &outages))
    }

    fn outage(&self, member: usize, cut: Duration, afterwards: Afterwards) -> Outage {
        let begin = Instant::now();
        self.relays[member].cut();
        thread::sleep(cut);
        self.relays[member].mend(afterwards);
        println!("soak: member {member} was cut for {cut:?}, and then the network {afterwards:?}");
        (begin, Instant::now() + Duration::from_secs(3))
    }

    /// Waits until nobody uses anything, for a while; what does not end by then is in the figures.
    fn quiet(&self, settling: Duration) -> Figures {
        let deadline = Instant::now() + SOON;
        loop {
            let figures = Figures::of(&self.proxy);
            let is_quiet = figures.in_use + figures.idle + figures.clients == 0;
            if is_quiet || Instant::now() > deadline {
                return self.least(settling);
            }
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// The least that is used within a while: the monitor opens a connection now and then, and the allocator gives memory
    /// back by and by.
    fn least(&self, settling: Duration) -> Figures {
        let moments = (0..10).map(|_| {
            thread::sleep(settling / 10);
            Figures::of(&self.proxy)
        });
        moments.min_by_key(|figures| (figures.descriptors, figures.resident)).expect("ten moments")
    }

    /// What the application's connections do at the members.
    fn left_at_members(&self) -> Vec<Vec<String>> {
        let ask = "SELECT ID, TIME, STATE, INFO FROM information_schema.PROCESSLIST WHERE USER = 'app'";
        (0..self.relays.len()).flat_map(|member| self.cluster.sql(member, ask).unwrap()).collect()
    }
}

/// What careful clients saw that the contract does not allow.
fn faults(guild: &Guild, outages: &[Outage]) -> Vec<String> {
    let during = |from: Instant, to: Instant| outages.iter().any(|&(begin, end)| from <= end && to >= begin);
    let mut faults = Vec::new();
    let complaints = guild.complaints.lock().unwrap();
    for complaint in complaints.iter() {
        let is_ours = ["ERROR 9001 ", "ERROR 2013 ", "ERROR 1180 "].iter().any(|code| complaint.what.contains(code))
            && complaint.what.contains("): mysql-proxy: ");
        if !is_ours || !during(complaint.when, complaint.when) {
            faults.push(format!("{}, during an outage: {}", complaint.what, during(complaint.when, complaint.when)));
        }
    }
    let (slow, stalls) = (guild.slow.lock().unwrap(), guild.stalls.lock().unwrap());
    for (when, took) in stalls.iter() {
        let ago = outages.iter().rev().find(|(begin, _)| begin <= when).map(|(begin, _)| *when - *begin);
        println!("soak: a write at the primary took {took:.1?}, {ago:.1?} behind the begin of an outage");
    }
    for &Slow { sent, took, work, statement } in slow.iter() {
        let limit = if during(sent, sent + took) { TOO_SLOW_IN_AN_OUTAGE } else { TOO_SLOW };
        if took > limit {
            let before = outages.iter().rev().find(|(begin, _)| *begin <= sent).map(|(begin, _)| sent - *begin);
            let stalled: Duration =
                stalls.iter().filter(|(when, it)| *when <= sent + took && *when + *it >= sent).map(|(_, it)| *it).sum();
            faults.push(format!(
                "a turn of {work:?} took {took:.1?}, one statement {statement:.1?}, {before:.1?} behind the begin of an outage; \
                 at the primary itself writes took {stalled:.1?} meanwhile"
            ));
        }
    }
    let longest = slow.iter().map(|slow| slow.took).max().unwrap_or_default();
    println!(
        "soak: {} errors of careful clients, {} turns of more than a second, the longest {longest:?}, {} faults",
        complaints.len(),
        slow.len(),
        faults.len()
    );
    faults
}

#[test]
fn soaked_it_is_as_at_the_start() {
    let plan = Plan::by_environment();
    let Some(ground) = ground() else { return };
    let start = ground.quiet(plan.settling);
    println!("soak: at the start, {start}");
    let (warm, mut faults) = ground.soak(plan.warm_up, &plan, plan.cut, &ONCE);
    println!("soak: warmed up, {warm}");
    let (end, more) = ground.soak(plan.soak, &plan, plan.cut, &plan.cuts);
    println!("soak: at the end, {end}");
    faults.extend(more);
    let left = ground.left_at_members();
    let shown: Vec<_> = faults.iter().take(20).collect();
    assert!(faults.is_empty(), "{} faults: {shown:#?}", faults.len());
    assert_eq!((end.in_use, end.idle, end.clients), (0, 0, 0), "somebody is still served: {end}");
    let followed = start.descriptors + plan.followers;
    assert!(end.descriptors <= followed, "descriptors: {end}, at the start: {start}");
    assert!(end.threads <= start.threads, "threads: {end}, at the start: {start}");
    assert!(left.is_empty(), "left at the members: {left:?}");
    let allowed = warm.resident + warm.resident / plan.growth + plan.slack;
    assert!(end.resident <= allowed, "memory: {end}, warmed up: {warm}");
    assert!(!ground.proxy.log().contains("panicked"), "{}", ground.proxy.log());
}
