//! The general logs of all members, asked about the marked statements. Judges by what was written there alone.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write;
use std::net::SocketAddr;

use mysql_proxy::demo::{Cluster, Member};

use super::model::{Group, Place, Side};
use super::session::{Marker, Sent, member_of};
use super::statements::Class;
use super::support::general_log::{self, Entry};

/// Whose connections are a session's: the others are replication's, the monitor's and the test's own.
const ACCOUNTS: [&str; 2] = ["app@", "admin@"];

/// What the proxy may say on its own to a replica on a session's connection.
const OWN_WORDS: [&str; 11] = [
    "SET ",
    "SELECT ",
    "SHOW WARNINGS",
    "SHOW COUNT(*) WARNINGS",
    "SHOW COUNT(*) ERRORS",
    "START TRANSACTION",
    "COMMIT",
    "ROLLBACK",
    "DO (SELECT 1 ",
    "DO CAST('MARK' ",
    "SIGNAL ",
];

/// Where a marker was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sighting {
    member: usize,
    connection: u64,
    /// In the order of the connection's entries.
    at: usize,
}

/// See the module.
pub struct Witness {
    seed: u32,
    addresses: Vec<SocketAddr>,
    sightings: HashMap<Marker, Vec<Sighting>>,
    /// The sessions of the marked statements of a connection, in their order.
    sessions: BTreeMap<(usize, u64), Vec<(usize, u32)>>,
    /// What replicas were told that no session has sent.
    unmarked: BTreeSet<String>,
    /// Marked, and run by nobody's connection: what replicas apply, if they log that.
    applied: Vec<(usize, String)>,
}

impl Witness {
    pub fn hear(cluster: &Cluster, seed: u32) -> Self {
        let mut witness = Self {
            seed,
            addresses: cluster.members().iter().map(Member::address).collect(),
            sightings: HashMap::new(),
            sessions: BTreeMap::new(),
            unmarked: BTreeSet::new(),
            applied: Vec::new(),
        };
        for member in cluster.members() {
            for (connection, entries) in general_log::read(member) {
                witness.read(member.index(), connection, &entries);
            }
        }
        witness
    }

    fn read(&mut self, member: usize, connection: u64, entries: &[Entry]) {
        let is_login = |entry: &Entry| matches!(&*entry.command, "Connect" | "Change user");
        let is_ours = |entry: &Entry| ACCOUNTS.iter().any(|account| entry.argument.starts_with(account));
        let ours = entries.iter().any(|entry| is_login(entry) && is_ours(entry));
        for (at, entry) in entries.iter().enumerate() {
            let is_prepared = entry.command == "Prepare";
            let marker =
                if is_prepared { Marker::find_prepared(&entry.argument) } else { Marker::find(&entry.argument) };
            match (&*entry.command, marker) {
                ("Query" | "Execute" | "Prepare", Some(_)) if !ours => {
                    self.applied.push((member, entry.argument.clone()));
                }
                ("Query" | "Execute" | "Prepare", Some(marker)) => {
                    self.sightings.entry(marker).or_default().push(Sighting { member, connection, at });
                    self.sessions.entry((member, connection)).or_default().push((at, marker.session));
                }
                ("Query" | "Execute" | "Prepare", None) if ours && member > 0 => {
                    self.unmarked.insert(entry.argument.clone());
                }
                _ => {}
            }
        }
    }

    fn seen(&self, marker: Marker) -> &[Sighting] {
        self.sightings.get(&marker).map_or(&[], Vec::as_slice)
    }

    /// Everything that is otherwise than the routing table says; what came before it is shown once for a session.
    pub fn contradictions(&self, sent: &[Sent]) -> Vec<String> {
        let misplaced = sent.iter().enumerate().filter_map(|(at, sent)| Some((at, self.misplaced(sent)?)));
        let mut wrong = Vec::new();
        let mut last = None;
        for (at, what) in misplaced {
            let session = sent[at].marker.session;
            let is_first = last.replace(session) != Some(session);
            let before = if is_first { self.trail(&sent[..at], session) } else { String::new() };
            wrong.push(self.line(&sent[at], &what) + &before);
        }
        wrong.extend(self.torn_groups(sent));
        wrong.extend(sent.iter().filter_map(|sent| Some(self.line(sent, &self.told_otherwise(sent)?))));
        let own = |text: &&String| OWN_WORDS.iter().any(|word| text.trim_start().to_uppercase().starts_with(word));
        wrong.extend(self.unmarked.iter().filter(|text| !own(text)).map(|text| format!("a replica was told: {text}")));
        let by_nobody = self.applied.iter().filter(|(member, _)| *member == 0);
        wrong.extend(by_nobody.map(|(_, text)| format!("on the primary, on no session's connection: {text}")));
        wrong
    }

    /// Where the statements before ran.
    fn trail(&self, before: &[Sent], session: u32) -> String {
        let mine = before.iter().filter(|sent| sent.marker.session == session);
        let lines =
            mine.map(|sent| format!("\n    before: [{}] {}: {}", sent.state, sent.sql, found(self.seen(sent.marker))));
        lines.collect()
    }

    fn line(&self, sent: &Sent, what: &str) -> String {
        let Marker { session, statement } = sent.marker;
        let seed = self.seed + session;
        format!(
            "seed {seed}, session {session}, statement {statement} [{}] {}\n    {what}; reply: {}; told: {}",
            sent.state,
            sent.sql,
            sent.reply,
            sent.told.as_deref().unwrap_or("not asked")
        )
    }

    fn misplaced(&self, sent: &Sent) -> Option<String> {
        let mut seen = self.seen(sent.marker);
        let is_prepared_read = sent.sql.starts_with("prepared: SELECT");
        // A server that must prepare a read again, as a routine or a table has changed, logs it again.
        let on_one = seen.iter().all(|one| (one.member, one.connection) == (seen[0].member, seen[0].connection));
        if is_prepared_read && seen.len() > 1 && on_one {
            seen = &seen[..1];
        }
        let is_right = match (sent.place.side, seen) {
            (Side::Nowhere | Side::Refused, []) => true,
            // Where it cannot be prepared it is not logged.
            (_, []) => is_prepared_read && sent.reply.starts_with("ERROR"),
            (Side::Primary, [once]) => once.member == 0,
            (Side::Replica, [once]) => once.member > 0,
            // That it is on its group's member is another question.
            (Side::Either | Side::Settled | Side::Refused, [_]) => true,
            _ => false,
        };
        (!is_right).then(|| format!("expected {}, found {}", expected(sent.place), found(seen)))
    }

    /// Groups that are not on one connection, or have others' statements in between.
    fn torn_groups(&self, sent: &[Sent]) -> Vec<String> {
        let mut groups: BTreeMap<(u32, Group), Vec<&Sent>> = BTreeMap::new();
        for sent in sent {
            if let Some(group) = sent.place.group {
                groups.entry((sent.marker.session, group)).or_default().push(sent);
            }
        }
        let mut wrong = Vec::new();
        for statements in groups.values() {
            let mut on: Vec<Sighting> = Vec::new();
            for sent in statements {
                let seen = self.seen(sent.marker);
                if let (Some(first), Some(now)) = (on.first(), seen.first())
                    && (first.member, first.connection) != (now.member, now.connection)
                {
                    let what = format!(
                        "expected the connection of those before it, {}, found {}",
                        found(&on[..1]),
                        found(seen)
                    );
                    wrong.push(self.line(sent, &what));
                    break;
                }
                on.extend(seen);
            }
            wrong.extend(self.intruders(statements, &on));
        }
        wrong
    }

    fn intruders(&self, statements: &[&Sent], on: &[Sighting]) -> Option<String> {
        let (first, last) = (on.first()?, on.last()?);
        let session = statements[0].marker.session;
        let all = self.sessions.get(&(first.member, first.connection))?;
        let between = |(at, other): &&(usize, u32)| (first.at..=last.at).contains(at) && *other != session;
        let (_, other) = all.iter().find(between)?;
        Some(self.line(statements[0], &format!("session {other} used {} before the end", found(&[*first]))))
    }

    /// The proxy's own word must be the log's.
    fn told_otherwise(&self, sent: &Sent) -> Option<String> {
        let told = sent.told.as_ref()?;
        let [once] = self.seen(sent.marker) else { return None };
        let address = self.addresses[once.member];
        (member_of(told) != Some(address)).then(|| format!("SHOW PROXY ROUTE says {told}, the log {address}"))
    }

    /// How many statements of each class ran where.
    pub fn summary(&self, sent: &[Sent]) -> String {
        let mut counts: BTreeMap<Class, [usize; 4]> = BTreeMap::new();
        for sent in sent {
            let column = self.seen(sent.marker).first().map_or(3, |once| once.member.min(2));
            counts.entry(sent.class).or_default()[column] += 1;
        }
        let mut out = format!("{:18} {:>8} {:>9} {:>9} {:>8}\n", "", "primary", "replica 1", "replica 2", "nowhere");
        let mut row = |name: &str, [a, b, c, d]: [usize; 4]| {
            writeln!(out, "{name:18} {a:>8} {b:>9} {c:>9} {d:>8}").unwrap();
        };
        let mut total = [0; 4];
        for (class, count) in counts {
            row(&format!("{class:?}"), count);
            (0..4).for_each(|at| total[at] += count[at]);
        }
        row("all", total);
        let held: BTreeSet<_> = sent.iter().filter_map(|sent| Some((sent.marker.session, sent.place.group?))).collect();
        let told = sent.iter().filter(|sent| sent.told.is_some()).count();
        let connections = (0..self.addresses.len()).map(|member| {
            let (all, shared) = self.connections(member);
            format!("{shared} of {all}")
        });
        let connections = connections.collect::<Vec<_>>().join(", ");
        write!(out, "held connections: {}; SHOW PROXY ROUTE asked: {told}; connections that served several sessions: {connections}", held.len())
            .unwrap();
        out
    }

    /// A member's connections, and how many of them served more than one session.
    fn connections(&self, member: usize) -> (usize, usize) {
        let mine = self.sessions.iter().filter(|((at, _), _)| *at == member);
        let several = |sessions: &Vec<(usize, u32)>| sessions.iter().any(|(_, session)| *session != sessions[0].1);
        (mine.clone().count(), mine.filter(|(_, sessions)| several(sessions)).count())
    }

    /// The proof would be worth little if connections were not shared, replicas idle, or reads never free.
    /// `waited`: how many reads the proxy let wait for a replica.
    pub fn assert_that_it_could_have_been_otherwise(&self, sent: &[Sent], waited: f64) {
        for member in 0..self.addresses.len() {
            assert!(self.connections(member).1 > 0, "no connection of member {member} served two sessions");
        }
        let free = |sent: &&Sent| sent.class == Class::Read && sent.place.group.is_none();
        let reads: Vec<&Sent> = sent.iter().filter(free).collect();
        let on = |side: Side, member: usize| {
            let there = |sent: &&&Sent| self.seen(sent.marker).first().is_some_and(|once| once.member == member);
            reads.iter().filter(|sent| sent.place.side == side).filter(there).count()
        };
        let (one, two) = (on(Side::Replica, 1), on(Side::Replica, 2));
        assert!(one * 5 > one + two && two * 5 > one + two, "free reads: {one} and {two}: one replica is idle");
        assert!(one + two > reads.len() / 3, "only {} of {} reads had to be on replicas", one + two, reads.len());
        let (missed, settled) = (on(Side::Settled, 0), on(Side::Settled, 1) + on(Side::Settled, 2));
        assert!(missed * 20 <= settled, "{missed} of {settled} reads behind a write that a replica has: the primary's");
        assert!(on(Side::Either, 0) > 0 || waited > 0.0, "no read right behind a write met a replica that is late");
    }
}

fn expected(place: Place) -> &'static str {
    match place.side {
        Side::Primary => "once on the primary",
        Side::Replica => "once on a replica",
        Side::Either => "once",
        Side::Settled => "once, mostly on a replica",
        Side::Nowhere => "no member asked",
        Side::Refused => "a refusal, or once where the transaction is",
    }
}

fn found(seen: &[Sighting]) -> String {
    let name = |member| if member == 0 { "the primary".to_owned() } else { format!("replica {member}") };
    let one = |at: &Sighting| format!("connection {} of {}", at.connection, name(at.member));
    if seen.is_empty() { "it nowhere".into() } else { seen.iter().map(one).collect::<Vec<_>>().join(" and ") }
}
