//! First logins: each client, with the default options of its program, as an account that the proxy has never seen.
//!
//! Knows which accounts log in where, and that a login through the proxy must end as one at the server itself does,
//! with the server's own words. Each login has an account of its own, so that nothing primes another: neither the
//! proxy's memory of passwords nor `MySQL`'s. `MySQL` and the proxy offer TLS as they do by themselves, and each client uses it or
//! not, as it does by itself.

mod clients;

use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use mysql_proxy::demo::{Cluster, Flavor, Member};

use crate::servers;
use crate::support::{self, Proxy};
use clients::{Client, Outcome};

const PASSWORD: &str = "Right-1-pass";
const WRONG: &str = "Wrong-1-pass";
const SOON: Duration = Duration::from_secs(20);

/// Where an account of its own logs in.
#[derive(Clone, Copy, Debug)]
enum Way {
    Proxy,
    /// At the primary.
    Direct,
    /// Through the proxy several times.
    Often,
}

/// Whose servers these are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    MariaDb,
    MySql,
    /// `mysql_native_password` alone, and names of at most 16 characters.
    MySql56,
}

/// Real servers, gone with the value.
enum Servers {
    Today(Cluster),
    Old(servers::Servers),
}

/// A cluster with accounts for every client, and a proxy before it that knows none of them.
struct Ground {
    // Before the servers: it ends first.
    proxy: Proxy,
    servers: Servers,
    clients: Vec<Client>,
}

/// What became of one client's first logins.
struct Row {
    right: Verdict,
    wrong: Verdict,
}

enum Verdict {
    In,
    /// The server's own error.
    Refused(String),
    /// Neither comes it in at the server.
    Nowhere(String),
    /// What the proxy must not do.
    Fault(String),
}

fn account(client: usize, way: Way, password: &str) -> String {
    format!("f{client:02}_{way:?}_{}", if password == PASSWORD { "r" } else { "w" })
}

/// What makes every account that will log in.
fn accounts(clients: usize) -> String {
    let ways = [Way::Proxy, Way::Direct, Way::Often];
    let accounts = (0..clients).flat_map(|client| ways.map(|way| (client, way)));
    let accounts = accounts.flat_map(|(client, way)| [PASSWORD, WRONG].map(|password| account(client, way, password)));
    let make = |name| format!("CREATE USER {name}@'%' IDENTIFIED BY '{PASSWORD}'; GRANT ALL ON *.* TO {name}@'%';");
    accounts.map(make).collect()
}

impl Servers {
    fn start(family: Family, accounts: &str) -> Option<Self> {
        let flavor = match family {
            Family::MySql56 => {
                let servers = servers::Servers::start()?;
                servers.sql(0, accounts);
                servers
                    .sql(0, "GRANT SELECT (User, Password, plugin, authentication_string) ON mysql.user TO proxy@'%'");
                servers.catch_up();
                return Some(Self::Old(servers));
            }
            Family::MariaDb => Flavor::MariaDb,
            Family::MySql => Flavor::MySql,
        };
        let cluster = support::cluster(flavor, |options| options.replicas = 1)?;
        cluster.sql(0, accounts).unwrap();
        cluster.catch_up(1, SOON).unwrap();
        Some(Self::Today(cluster))
    }

    fn addresses(&self) -> Vec<SocketAddr> {
        match self {
            Self::Today(cluster) => cluster.members().iter().map(Member::address).collect(),
            Self::Old(servers) => servers.addresses().to_vec(),
        }
    }
}

fn ground(family: Family) -> Option<Ground> {
    let clients = clients::all();
    let servers = Servers::start(family, &accounts(clients.len()))?;
    let proxy = Proxy::start_before(&servers.addresses(), "users = []");
    Some(Ground { proxy, servers, clients })
}

/// What `each` gives for every client that is here, some at a time.
fn of_each<T: Send>(clients: &[Client], each: impl Fn(usize, &Client) -> T + Sync) -> Vec<Option<T>> {
    let results: Mutex<Vec<Option<T>>> = Mutex::new(clients.iter().map(|_| None).collect());
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some((number, client)) = clients.iter().enumerate().nth(next.fetch_add(1, Ordering::Relaxed))
                {
                    if client.needs.exists() {
                        let result = each(number, client);
                        results.lock().unwrap()[number] = Some(result);
                    }
                }
            });
        }
    });
    results.into_inner().unwrap()
}

impl Ground {
    fn endpoint(&self, way: Way) -> SocketAddr {
        match way {
            Way::Proxy | Way::Often => self.proxy.read_write,
            Way::Direct => self.servers.addresses()[0],
        }
    }

    fn log_in(&self, number: usize, way: Way, password: &str) -> Outcome {
        self.clients[number].log_in(self.endpoint(way), &account(number, way, password), password)
    }

    fn row(&self, number: usize) -> Row {
        let both = |password| [Way::Proxy, Way::Direct].map(|way| self.log_in(number, way, password));
        let [right, wrong] = [both(PASSWORD), both(WRONG)];
        let right = match right {
            [Outcome::In, Outcome::In] => Verdict::In,
            [Outcome::Refused(said), Outcome::Refused(direct)] if said == direct => Verdict::Nowhere(said),
            [proxy, direct] => Verdict::Fault(format!("{proxy} (directly: {direct})")),
        };
        let wrong = match wrong {
            [Outcome::Refused(said), Outcome::Refused(direct)] if said == direct => Verdict::Refused(said),
            [proxy, direct] => Verdict::Fault(format!("{proxy} (directly: {direct})")),
        };
        Row { right, wrong }
    }
}

impl Verdict {
    fn show(&self) -> String {
        match self {
            Self::In => "in".to_owned(),
            Self::Refused(said) => said.clone(),
            Self::Nowhere(said) => format!("nowhere: {said}"),
            Self::Fault(what) => format!("FAILED: {what}"),
        }
    }

    /// In front of `MariaDB` every client comes in, and is told by the server when its password is wrong.
    fn is_right(&self, family: Family) -> bool {
        match self {
            Self::In | Self::Refused(_) => true,
            Self::Nowhere(_) => family != Family::MariaDb,
            Self::Fault(_) => false,
        }
    }
}

fn first_logins(family: Family) {
    let Some(ground) = ground(family) else { return };
    println!("{family:?} | client | right password | wrong password");
    let rows = of_each(&ground.clients, |number, _| ground.row(number));
    let mut faults = Vec::new();
    for (client, row) in ground.clients.iter().zip(&rows) {
        let Some(Row { right, wrong }) = row else {
            println!("{family:?} | {} | skipped: {} is not there", client.name, client.needs.display());
            continue;
        };
        let line = format!("{family:?} | {} | {} | {}", client.name, right.show(), wrong.show());
        println!("{line}");
        if !(right.is_right(family) && wrong.is_right(family)) {
            faults.push(line);
        }
    }
    assert!(faults.is_empty(), "{} of {} clients:\n{}", faults.len(), rows.len(), faults.join("\n"));
}

#[test]
fn each_client_is_the_first_in_front_of_mariadb() {
    first_logins(Family::MariaDb);
}

#[test]
fn each_client_is_the_first_in_front_of_mysql() {
    first_logins(Family::MySql);
}

#[test]
#[ignore = "longer: for `make test-drivers`"]
fn each_client_is_the_first_in_front_of_mysql56() {
    first_logins(Family::MySql56);
}

/// What is learned of an account by one login serves the next, and a wrong password harms nobody.
#[test]
#[ignore = "longer: for `make test-drivers`"]
fn each_client_comes_again_in_front_of_mariadb() {
    let Some(ground) = ground(Family::MariaDb) else { return };
    let turns = [WRONG, PASSWORD, PASSWORD, WRONG, PASSWORD];
    let outcomes = of_each(&ground.clients, |number, client| {
        let name = account(number, Way::Often, PASSWORD);
        turns.map(|password| client.log_in(ground.endpoint(Way::Often), &name, password))
    });
    for (client, outcomes) in ground.clients.iter().zip(outcomes) {
        for (password, outcome) in turns.iter().zip(outcomes.into_iter().flatten()) {
            match outcome {
                Outcome::In => assert_eq!(*password, PASSWORD, "{} came in", client.name),
                Outcome::Refused(said) => {
                    assert!(*password == WRONG && said.contains("Access denied"), "{}: {said}", client.name);
                }
            }
        }
    }
}

/// Drivers hold a connection's number in a signed integer, and write it into their KILL QUERY.
#[test]
fn a_driver_cancels_its_statement_by_its_own_number() {
    let Some(ground) = ground(Family::MariaDb) else { return };
    let client = clients::cancelling();
    if !client.needs.exists() {
        println!("{}: skipped: {} is not there", client.name, client.needs.display());
        return;
    }
    for at in [ground.endpoint(Way::Direct), ground.endpoint(Way::Proxy)] {
        let outcome = client.log_in(at, &account(0, Way::Often, PASSWORD), PASSWORD);
        assert!(outcome == Outcome::In, "{outcome}");
    }
}
