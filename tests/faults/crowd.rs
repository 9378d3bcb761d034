//! Crowds of clients that log in at the same time: what members have to bear of them.

use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use mysql_proxy::demo::{Cluster, Flavor};

use crate::support::raw::{Raw, Who};
use crate::support::{self, Proxy, on_both};

const SOON: Duration = Duration::from_secs(20);
/// Connections to each member.
const LIMIT: usize = 6;
/// Logins of one crowd.
const CROWD: usize = 60;

on_both!(a_crowd_of_logins_stays_within_the_limit_of_connections);

/// What the server counts of connections; a question is one of them.
fn connections(cluster: &Cluster, count: &str) -> usize {
    cluster.sql(0, &format!("SHOW GLOBAL STATUS LIKE '{count}'")).unwrap().concat()[1].parse().unwrap()
}

/// Who logs in: accounts that the proxy has not seen, some of them twice, with right and wrong passwords, and nobody's.
fn logins() -> Vec<(String, bool)> {
    (0..CROWD)
        .map(|number| match number % 3 {
            0 => (format!("new{}", number / 3), true),
            1 => (format!("new{}", number / 6), false),
            _ if number % 2 == 0 => ("app".to_owned(), true),
            _ => ("nobody".to_owned(), false),
        })
        .collect()
}

/// All at once; gives those that were not answered as they should be.
fn log_in(address: SocketAddr, logins: &[(String, bool)]) -> Vec<String> {
    let log_in = |(user, is_right): &(String, bool)| {
        let password = if *is_right { user.as_str() } else { "wrong" };
        let outcome = Raw::connect(address, &Who { password, ..Who::named(user) });
        match (outcome, is_right) {
            (Ok(mut session), true) => {
                let answer = session.say("INSERT INTO t VALUES (1)");
                (answer != "OK").then(|| format!("{user}: {answer}"))
            }
            (Err(error), false) if error.code == 1045 => None,
            (outcome, _) => Some(format!("{user} with {password:?}: {:?}", outcome.map(|_| "let in"))),
        }
    };
    thread::scope(|scope| {
        let threads: Vec<_> = logins.iter().map(|login| scope.spawn(|| log_in(login))).collect();
        threads.into_iter().filter_map(|thread| thread.join().unwrap()).collect()
    })
}

fn a_crowd_of_logins_stays_within_the_limit_of_connections(flavor: Flavor) {
    let Some(cluster) = support::cluster(flavor, |options| options.replicas = 1) else { return };
    cluster.sql(0, "CREATE TABLE app.t (a INT)").unwrap();
    let create = |number| {
        format!("CREATE USER new{number}@'%' IDENTIFIED BY 'new{number}'; GRANT ALL ON app.* TO new{number}@'%';")
    };
    let accounts: Vec<String> = (0..CROWD / 3).map(create).collect();
    cluster.sql(0, &accounts.concat()).unwrap();
    cluster.catch_up(1, SOON).unwrap();
    let proxy = Proxy::start(&cluster, &format!("users = []\npool.max_backend_connections = {LIMIT}\n"));

    // What is there without clients: the monitor, the followers, the replica, and who asks.
    cluster.sql(0, "FLUSH STATUS").unwrap();
    thread::sleep(Duration::from_millis(600));
    let others = connections(&cluster, "Max_used_connections");
    // All but one are in use, so that the crowd has to wait for that one.
    let mut busy: Vec<Raw> = (1..LIMIT).map(|_| Raw::app(proxy.read_write)).collect();
    for session in &mut busy {
        session.run("BEGIN");
        session.run("INSERT INTO t VALUES (0)");
    }
    cluster.sql(0, "FLUSH STATUS").unwrap();
    let wrong = log_in(proxy.read_write, &logins());
    let most = connections(&cluster, "Max_used_connections");
    let now = connections(&cluster, "Threads_connected");
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(most <= others + LIMIT, "{most} connections, of which {others} are others'");
    assert!(now <= most, "{now} connections");
    for session in &mut busy {
        session.run("COMMIT");
    }
    println!("{flavor}: at most {most} connections, {now} in the end, {others} of others");
}
