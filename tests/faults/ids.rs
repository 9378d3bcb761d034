//! Connections' ids: the proxy's everywhere, also where a member's own tables tell of them.

use std::thread;
use std::time::Duration;

use mysql_proxy::demo::{Cluster, Flavor};
use mysql_proxy::wire::Command;
use mysql_proxy::wire::resultset::binary_row;

use crate::ending::runs_on;
use crate::support::raw::{Raw, Who};
use crate::support::reply::Kind;
use crate::support::statement::execution;
use crate::support::{self, Proxy, on_both, wait_for};

const SOON: Duration = Duration::from_secs(10);

on_both!(ids_are_the_proxys_wherever_they_are_told, kills_are_translated_in_every_form);

/// The row of a process list that belongs to this id; what stands in it.
fn row_of(list: &str, id: u32) -> Vec<String> {
    let id = id.to_string();
    let rows = list.split('|').map(|row| row.split(' ').map(str::to_owned).collect::<Vec<_>>());
    let mut mine: Vec<_> = rows.filter(|row| row[0] == id).collect();
    assert_eq!(mine.len(), 1, "{id} in {list}");
    mine.remove(0)
}

/// The only value of the only row of an execution with text parameters, a whole number of 32 bits or of 64.
fn executed(session: &mut Raw, sql: &str, parameters: &[&str]) -> Option<u64> {
    let id = session.prepare(sql).unwrap();
    let parameters: Vec<_> = parameters.iter().map(|text| Some(text.as_bytes())).collect();
    let reply = session.ask(Command::StmtExecute, &execution(id, 0, &parameters), Kind::Results).unwrap();
    session.close(id);
    let row = reply.iter().skip(2).find(|message| message.payload[0] == 0)?;
    let kind = if row.payload.len() > 8 { 8 } else { 3 };
    let value = binary_row(&row.payload, &[kind]).unwrap().remove(0)?;
    let number: i64 = String::from_utf8(value).unwrap().parse().unwrap();
    Some(number.cast_unsigned() & 0xffff_ffff)
}

fn ids_are_the_proxys_wherever_they_are_told(flavor: Flavor) {
    let Some(cluster) = support::cluster(flavor, |options| options.replicas = 1) else { return };
    cluster.sql(0, "CREATE TABLE app.t (a INT PRIMARY KEY); INSERT INTO app.t VALUES (1)").unwrap();
    cluster.catch_up(1, SOON).unwrap();
    let proxy = Proxy::start(&cluster, "");
    let [mut one, mut other] = [(); 2].map(|()| Raw::app(proxy.read_write));
    let (id, others) = (u64::from(one.id()), u64::from(other.id()));

    // Who holds a lock.
    assert_eq!(one.number("SELECT GET_LOCK('x', 5)"), 1);
    assert_eq!(one.say("SELECT IS_USED_LOCK('x') = CONNECTION_ID()"), "1");
    assert_eq!(one.say("SELECT IS_USED_LOCK('x'), CONNECTION_ID(), 1"), format!("{id} {id} 1"));
    assert_eq!(other.say("SELECT 'a', IS_USED_LOCK('x') AS h, IS_USED_LOCK('y')"), format!("a {id} NULL"));
    assert_eq!(other.say("SELECT IS_USED_LOCK('x') = CONNECTION_ID()"), "0");
    assert_eq!(other.say(&format!("SELECT IS_USED_LOCK('x') = {id}")), "1");
    assert_eq!(executed(&mut other, "SELECT IS_USED_LOCK(?)", &["x"]), Some(id));
    assert_eq!(executed(&mut one, "SELECT IS_USED_LOCK('x') = CONNECTION_ID()", &[]), Some(1));

    // Who is connected.
    let at = one.writer().local_addr().unwrap().to_string();
    let list = other.say("SHOW PROCESSLIST");
    assert_eq!(row_of(&list, one.id())[1..3], ["app".to_owned(), at.clone()], "{list}");
    assert_eq!(row_of(&list, other.id())[1], "app");
    let list = other.say("SHOW FULL PROCESSLIST");
    assert_eq!(row_of(&list, one.id())[2], at, "{list}");
    let table = "information_schema.processlist";
    assert_eq!(one.say(&format!("SELECT ID, HOST FROM {table} WHERE ID = CONNECTION_ID()")), format!("{id} {at}"));
    assert_eq!(other.say(&format!("SELECT p.id i FROM {table} p WHERE id = {id}")), id.to_string());
    assert_eq!(other.say(&format!("SELECT COUNT(*) FROM {table} WHERE {id} IN (0, ID)")), "1");
    let by_id = format!("SELECT ID FROM {table} WHERE ID = ?");
    assert_eq!(executed(&mut other, &by_id, &[&id.to_string()]), Some(id));
    assert_eq!(executed(&mut other, &format!("SELECT ID FROM {table} WHERE ID = CONNECTION_ID()"), &[]), Some(others));
    one.run("USE information_schema");
    assert_eq!(one.say("SELECT ID FROM processlist WHERE ID = CONNECTION_ID()"), id.to_string());
    one.run("USE app");
    if cluster.sql(0, "SELECT @@performance_schema").unwrap() == [["1"]] {
        let threads = "SELECT PROCESSLIST_ID, PROCESSLIST_HOST FROM performance_schema.threads";
        let said = one.say(&format!("{threads} WHERE PROCESSLIST_ID = CONNECTION_ID()"));
        assert_eq!(said, format!("{id} 127.0.0.1"));
    }

    // Whose a transaction is.
    let trx =
        "SELECT trx_mysql_thread_id FROM information_schema.innodb_trx WHERE trx_mysql_thread_id = CONNECTION_ID()";
    let mut admin = Raw::connect(proxy.read_write, &Who::named("admin")).unwrap();
    other.run("BEGIN");
    other.run("INSERT INTO t VALUES (2)");
    assert_eq!(admin.say(trx), "");
    assert_eq!(admin.say(&trx.replace("CONNECTION_ID()", &others.to_string())), others.to_string());
    admin.run("BEGIN");
    admin.run("INSERT INTO t VALUES (3)");
    // InnoDB tells what it told before to whom asks within 100 ms.
    thread::sleep(Duration::from_millis(300));
    assert_eq!(admin.say(trx), admin.id().to_string());
    admin.run("ROLLBACK");
    other.run("COMMIT");
    blocked_rename_is_found(&cluster, &proxy, &mut one);

    // Where nothing is compared the id is a number, and no column is called after it where none is.
    assert_eq!(one.say("SELECT CONCAT('a', CONNECTION_ID(), 'b')"), format!("a{id}b"));
    other.run("CREATE TABLE ids (a BIGINT, b BIGINT, c BIGINT)");
    other.run("INSERT INTO ids VALUES (1, CONNECTION_ID(), 2)");
    assert_eq!(other.say("SELECT b FROM ids"), others.to_string());
    other.run("DROP TABLE ids");
    // A reply with other rows of many bytes is passed on as it came.
    let long = format!("SELECT ID, REPEAT('x', 300000) FROM {table} WHERE ID = CONNECTION_ID()");
    assert_eq!(one.say(&long).len(), id.to_string().len() + 1 + 300_000);
}

/// As gh-ost looks whether its RENAME waits: by the id that the renaming session has told it.
fn blocked_rename_is_found(cluster: &Cluster, proxy: &Proxy, asking: &mut Raw) {
    let mut reader = Raw::app(cluster.primary().address());
    reader.run("BEGIN");
    reader.number("SELECT COUNT(*) FROM t");
    let mut session = Raw::app(proxy.read_write);
    let id = session.number("SELECT CONNECTION_ID()");
    let renaming = thread::spawn(move || session.say("RENAME TABLE t TO u"));
    wait_for("the statement waits", SOON, || runs_on(cluster, 0, "RENAME TABLE t"));
    let ask = format!(
        "select id from information_schema.processlist where id != connection_id() and {id} in (0, id) \
         and state like concat('%', 'metadata lock', '%') and info like concat('%', 'rename', '%')"
    );
    assert_eq!(asking.say(&ask), id.to_string());
    reader.run("COMMIT");
    assert_eq!(renaming.join().unwrap(), "OK");
    asking.run("RENAME TABLE u TO t");
}

fn kills_are_translated_in_every_form(flavor: Flavor) {
    let Some(cluster) = support::cluster(flavor, |options| options.replicas = 0) else { return };
    let proxy = Proxy::start(&cluster, "");
    let mut killer = Raw::app(proxy.read_write);
    let victim = || {
        let mut victim = Raw::app(proxy.read_write);
        victim.run("BEGIN");
        victim
    };
    let is_killed = |mut victim: Raw| {
        victim.patience(SOON);
        let _ = victim.read();
        victim.is_closed()
    };
    // A stranger whose thread has the number that the proxy's ids would have had.
    let mut strangers: Vec<Raw> = (0..4).map(|_| Raw::app(cluster.primary().address())).collect();

    let session = victim();
    assert_eq!(killer.say(&format!("KILL {}; SELECT 5", session.id())), "OK;5");
    assert!(is_killed(session));
    let session = victim();
    assert_eq!(killer.say(&format!("SELECT 1; /* x */ kill connection\n{} ; SELECT 5", session.id())), "1;OK;5");
    assert!(is_killed(session));
    let [first, second, third] = [(); 3].map(|()| victim());
    let kills = format!("KILL {}; KILL {}; KILL {}", first.id(), second.id(), third.id());
    assert_eq!(killer.say(&kills), "OK;OK;OK");
    assert!(is_killed(first) && is_killed(second) && is_killed(third));
    let unknown = killer.id() + 1000;
    let said = killer.say(&format!("SELECT 1; KILL {unknown}; SELECT 2"));
    assert_eq!(said, format!("1;ERROR 1094 (HY000): Unknown thread id: {unknown}"));

    let session = victim();
    let statement = killer.prepare(&format!("KILL {}", session.id())).unwrap();
    let reply = killer.execute(statement, &[]).unwrap();
    assert_eq!(reply[0].payload[0], 0, "{reply:?}");
    assert!(is_killed(session));
    if flavor == Flavor::MariaDb {
        let statement = killer.prepare("KILL ?").unwrap();
        for _ in 0..2 {
            let session = victim();
            let reply = killer.execute(statement, &[Some(session.id().to_string().as_bytes())]).unwrap();
            assert_eq!(reply[0].payload[0], 0, "{reply:?}");
            assert!(is_killed(session));
        }
        let session = victim();
        killer.run(&format!("KILL SOFT CONNECTION {}", session.id()));
        assert!(is_killed(session));
    } else {
        let said = killer.say(&format!("KILL HARD {unknown}"));
        assert!(said.starts_with("ERROR 1064"), "{said}");
    }
    let session = victim();
    let id = session.id();
    for form in ["PREPARE s FROM 'KILL @'; EXECUTE s", "SET @victim = @; KILL @victim"] {
        // Where the proxy does not see the number no member has it.
        let said = killer.say(&form.replacen("@;", &format!("{id};"), 1).replacen("@'", &format!("{id}'"), 1));
        assert!(
            said.ends_with(&format!("ERROR 1094 (HY000): Unknown thread id: {id}")) || said.contains("1064"),
            "{said}"
        );
    }
    killer.say("DEALLOCATE PREPARE s");
    // What the list shows is what is killed.
    let list = killer.say("SHOW PROCESSLIST");
    assert_eq!(row_of(&list, id)[0], id.to_string());
    killer.run(&format!("KILL {id}"));
    assert!(is_killed(session));
    assert!(strangers.iter_mut().all(|stranger| stranger.say("SELECT 1") == "1"));
    let mut own = victim();
    let said = own.say("SELECT 1; KILL CONNECTION_ID(); SELECT 2");
    let code = if flavor == Flavor::MariaDb { 1927 } else { 1317 };
    assert!(said.starts_with(&format!("1;ERROR {code}")), "{said}");
    assert!(own.is_closed());
}
