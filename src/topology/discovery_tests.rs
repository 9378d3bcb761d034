use std::collections::HashMap;
use std::sync::Mutex;

use async_trait::async_trait;
use hickory_server::Server;
use hickory_server::net::runtime::Time;
use hickory_server::proto::op::{Header, HeaderCounts, Metadata, ResponseCode};
use hickory_server::proto::rr::rdata::{A, SRV};
use hickory_server::proto::rr::{Name, RData, Record, RecordType};
use hickory_server::server::{Request, RequestHandler, ResponseHandler, ResponseInfo};
use hickory_server::zone_handler::MessageResponseBuilder;
use tokio::net::UdpSocket;

use super::*;
use crate::topology::settings::{CheckSettings, ClusterKind};

/// With records of this name the server has no answer for names outside of `cluster.local`.
const OUTSIDE_FAILS: &str = ".";

/// What the DNS server of a test says now.
#[derive(Clone, Default)]
struct Zone(Arc<Mutex<HashMap<String, Vec<Record>>>>);

impl Zone {
    fn put(&self, name: &str, ttl: u32, records: impl IntoIterator<Item = RData>) {
        let owner = Name::from_ascii(name).unwrap();
        let records = records.into_iter().map(|data| Record::from_rdata(owner.clone(), ttl, data)).collect();
        self.0.lock().unwrap().insert(name.to_owned(), records);
    }

    fn remove(&self, name: &str) {
        self.0.lock().unwrap().remove(name);
    }

    /// Serves on a free port of the loopback interface.
    async fn serve(&self) -> (Server<Zone>, SocketAddr) {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let mut server = Server::new(self.clone());
        server.register_socket(socket);
        (server, address)
    }
}

#[async_trait]
impl RequestHandler for Zone {
    async fn handle_request<R: ResponseHandler, T: Time>(&self, request: &Request, mut response: R) -> ResponseInfo {
        let asked = request.request_info().unwrap();
        let (name, kind) = (asked.query.name().to_string(), asked.query.query_type());
        let known = self.0.lock().unwrap().get(&name).cloned();
        let mut metadata = Metadata::response_from_request(asked.metadata);
        if known.is_none() {
            let fails = self.0.lock().unwrap().contains_key(OUTSIDE_FAILS) && !name.ends_with(".cluster.local.");
            metadata.response_code = if fails { ResponseCode::ServFail } else { ResponseCode::NXDomain };
        }
        let answers: Vec<Record> = known.into_iter().flatten().filter(|record| record.record_type() == kind).collect();
        if kind == RecordType::A && name.starts_with("slow.") {
            return Header { metadata, counts: HeaderCounts::default() }.into();
        }
        let none: [Record; 0] = [];
        let message =
            MessageResponseBuilder::from_message_request(request).build(metadata, &answers, &none, &none, &none);
        response.send_response(message).await.unwrap()
    }
}

fn a(last: u8) -> RData {
    RData::A(A::new(10, 0, 0, last))
}

fn srv(target: &str, port: u16) -> RData {
    RData::SRV(SRV::new(0, 100, port, Name::from_ascii(target).unwrap()))
}

fn at(last: u8) -> SocketAddr {
    ([10, 0, 0, last], 3306).into()
}

fn settings(members: MemberSource, primary: &str, dns: SocketAddr) -> Arc<TopologySettings> {
    Arc::new(TopologySettings {
        kind: ClusterKind::Replication,
        members,
        primary: HostPort::parse(primary, 3306).map_or(PrimaryRule::Writable, PrimaryRule::Named),
        primary_service: None,
        dns_servers: vec![dns],
        check: CheckSettings::default(),
    })
}

fn service(dns: SocketAddr) -> Discovery {
    let service = HostPort { host: "mysql.test.".into(), port: 3306 };
    Discovery::new(settings(MemberSource::Service(service), "mysql-0.mysql.test.", dns))
}

fn addresses(found: &Found) -> Vec<SocketAddr> {
    found.members.iter().map(|(_, address)| *address).collect()
}

#[tokio::test]
async fn addresses_of_a_service_and_the_primary_by_its_own_name() {
    let zone = Zone::default();
    let (_server, dns) = zone.serve().await;
    zone.put("mysql.test.", 5, [a(1), a(2), a(3)]);
    zone.put("mysql-0.mysql.test.", 7, [a(2)]);
    let mut discovery = service(dns);
    let (found, valid_for) = discovery.look().await;
    assert_eq!((found.problem.clone(), found.primary), (None, Some(at(2))));
    assert_eq!(
        found.members,
        [
            ("10.0.0.1:3306".to_owned(), at(1)),
            ("10.0.0.3:3306".to_owned(), at(3)),
            ("mysql-0.mysql.test.".to_owned(), at(2))
        ]
    );
    assert!(valid_for > Duration::from_secs(3) && valid_for <= Duration::from_secs(5), "{valid_for:?}");

    // The primary's pod was replaced, one replica is gone, another is new.
    zone.put("mysql.test.", 0, [a(1), a(9), a(4)]);
    zone.put("mysql-0.mysql.test.", 0, [a(9)]);
    let (found, valid_for) = discovery.look().await;
    assert_eq!((addresses(&found), found.primary), (vec![at(1), at(4), at(9)], Some(at(9))));
    assert_eq!(valid_for, SOONEST, "however short the time to live");
}

#[tokio::test]
async fn pods_by_srv_records_bear_their_names() {
    let zone = Zone::default();
    let (_server, dns) = zone.serve().await;
    let targets = ["mysql-0.mysql.test.", "mysql-1.mysql.test."];
    zone.put("_mysql._tcp.mysql.test.", 60, targets.map(|target| srv(target, 3307)));
    zone.put(targets[0], 60, [a(1)]);
    zone.put(targets[1], 60, [a(2)]);
    let (found, valid_for) = service(dns).look().await;
    let with_port = |last: u8| SocketAddr::from(([10, 0, 0, last], 3307));
    assert_eq!(
        found.members,
        [("mysql-0.mysql.test".to_owned(), with_port(1)), ("mysql-1.mysql.test".to_owned(), with_port(2))]
    );
    assert_eq!(found.primary, Some(with_port(1)));
    assert!(valid_for > LATEST / 2 && valid_for <= LATEST, "however long the time to live: {valid_for:?}");

    // Without a port named mysql the records of the bare name count, those with the right number.
    zone.remove("_mysql._tcp.mysql.test.");
    zone.put("mysql.test.", 60, [srv(targets[0], 3306), srv(targets[1], 9104), a(7)]);
    let (found, _) = service(dns).look().await;
    assert_eq!(found.members, [("mysql-0.mysql.test".to_owned(), at(1))]);
}

#[tokio::test]
async fn a_failed_lookup_keeps_the_members_and_says_so() {
    let zone = Zone::default();
    let (_server, dns) = zone.serve().await;
    zone.put("mysql.test.", 5, [a(1), a(2)]);
    zone.put("mysql-0.mysql.test.", 5, [a(1)]);
    let mut discovery = service(dns);
    let (before, _) = discovery.look().await;
    zone.remove("mysql.test.");
    let (found, retry) = discovery.look().await;
    assert_eq!((addresses(&found), found.primary), (addresses(&before), Some(at(1))));
    assert_eq!(found.problem.unwrap(), "DNS has no address for mysql.test.");
    assert_eq!(retry, SOONEST);

    // Its name being gone does not make the listed address another member's.
    zone.put("mysql.test.", 5, [a(1), a(2)]);
    zone.remove("mysql-0.mysql.test.");
    let (found, _) = discovery.look().await;
    assert_eq!((found.primary, found.problem.is_some()), (Some(at(1)), true));

    // Its address being gone as well does.
    zone.put("mysql.test.", 5, [a(2)]);
    let (found, _) = discovery.look().await;
    assert_eq!((addresses(&found), found.primary), (vec![at(2)], None));
}

#[tokio::test]
async fn dns_that_is_silent_is_named() {
    let zone = Zone::default();
    let (_server, dns) = zone.serve().await;
    zone.put("slow.test.", 5, [a(1)]);
    let list = MemberSource::List(vec![HostPort { host: "slow.test.".into(), port: 3306 }]);
    let (found, retry) = Discovery::new(settings(list, "", dns)).look().await;
    assert_eq!((found.members, retry), (vec![], SOONEST));
    assert!(found.problem.unwrap().starts_with("DNS does not answer for slow.test."));
}

#[tokio::test]
async fn names_in_a_list_are_resolved_again() {
    let zone = Zone::default();
    let (_server, dns) = zone.serve().await;
    zone.put("db1.test.", 5, [a(1), a(8)]);
    zone.put("db2.test.", 5, [a(2)]);
    let list = ["db1.test.", "db2.test.", "10.0.0.3"].iter().filter_map(|text| HostPort::parse(text, 3306)).collect();
    let mut discovery = Discovery::new(settings(MemberSource::List(list), "db1.test.", dns));
    let (found, _) = discovery.look().await;
    assert_eq!((addresses(&found), found.primary), (vec![at(3), at(1), at(2)], Some(at(1))));
    zone.put("db1.test.", 5, [a(0), a(1)]);
    zone.put("db2.test.", 5, [a(4)]);
    let (found, _) = discovery.look().await;
    assert_eq!(addresses(&found), [at(3), at(1), at(4)], "an address that is still right stays");
    zone.remove("db2.test.");
    let (found, _) = discovery.look().await;
    assert_eq!((addresses(&found), found.problem.is_some()), (vec![at(3), at(1), at(4)], true));
}

#[tokio::test]
async fn a_look_is_brought_forward_and_sent_only_when_it_found_something_new() {
    let zone = Zone::default();
    let (_server, dns) = zone.serve().await;
    zone.put("mysql.test.", 60, [a(1)]);
    zone.put("mysql-0.mysql.test.", 60, [a(1)]);
    let (send, mut results) = mpsc::channel(1);
    let (recheck, missing) = (watch::Sender::new(0), watch::Sender::new(false));
    tokio::spawn(service(dns).run(send, recheck.subscribe(), missing.subscribe()));
    assert_eq!(addresses(&results.recv().await.unwrap()), [at(1)]);
    zone.put("mysql.test.", 60, [a(1), a(2)]);
    recheck.send_modify(|asked| *asked += 1);
    let next = timeout(Duration::from_secs(5), results.recv()).await.unwrap().unwrap();
    assert_eq!(addresses(&next), [at(2), at(1)], "sorted by name");
    recheck.send_modify(|asked| *asked += 1);
    assert!(timeout(Duration::from_millis(1500), results.recv()).await.is_err(), "nothing changed");
    // Whoever does not answer may come back elsewhere at any time.
    missing.send_replace(true);
    for last in [3, 4] {
        zone.put("mysql-0.mysql.test.", 60, [a(last)]);
        let next = timeout(Duration::from_secs(3), results.recv()).await.unwrap().unwrap();
        assert_eq!(next.primary, Some(at(last)));
    }
}

#[tokio::test]
async fn a_primary_is_reached_by_a_service_whose_address_stays() {
    let zone = Zone::default();
    let (_server, dns) = zone.serve().await;
    let member = |name: &str| format!("{name}.mysql.test.");
    zone.put("_mysql._tcp.mysql.test.", 5, ["mysql-0", "mysql-1"].map(|name| srv(&member(name), 3306)));
    zone.put(&member("mysql-0"), 5, [a(1)]);
    zone.put(&member("mysql-1"), 5, [a(2)]);
    zone.put("mysql-primary.test.", 5, [a(9)]);
    let by_service = TopologySettings {
        primary_service: HostPort::parse("mysql-primary.test.", 3306),
        ..TopologySettings::clone(&service(dns).settings)
    };
    let mut discovery = Discovery::new(Arc::new(by_service));
    let (found, _) = discovery.look().await;
    assert_eq!((addresses(&found), found.primary, &found.problem), (vec![at(9), at(2)], Some(at(9)), &None));
    // The pod is replaced; then there is none; then DNS says nothing of the Service either.
    zone.put(&member("mysql-0"), 5, [a(7)]);
    assert_eq!(discovery.look().await.0, found);
    zone.put("_mysql._tcp.mysql.test.", 5, [srv(&member("mysql-1"), 3306)]);
    zone.remove(&member("mysql-0"));
    let (without, _) = discovery.look().await;
    assert_eq!((addresses(&without), without.primary), (vec![at(9), at(2)], Some(at(9))));
    zone.remove("mysql-primary.test.");
    let (silent, _) = discovery.look().await;
    assert_eq!((addresses(&silent), silent.primary, silent.problem.is_some()), (vec![at(9), at(2)], Some(at(9)), true));
}

#[tokio::test]
async fn a_list_of_addresses_needs_no_dns() {
    let list = ["10.0.0.2", "10.0.0.1"].iter().filter_map(|text| HostPort::parse(text, 3306)).collect();
    let nobody = ([127, 0, 0, 1], 1).into();
    let mut discovery = Discovery::new(settings(MemberSource::List(list), "10.0.0.1", nobody));
    let (found, _) = discovery.look().await;
    assert_eq!((addresses(&found), found.primary, &found.problem), (vec![at(1), at(2)], Some(at(1)), &None));
    assert!(discovery.is_fixed());
}

/// A pod that has gone is gone, also while names outside of the cluster cannot be asked for.
#[tokio::test]
async fn a_name_that_was_found_in_the_cluster_is_not_asked_for_outside() {
    use hickory_resolver::config::{NameServerConfig, ResolverConfig, ResolverOpts};
    let zone = Zone::default();
    zone.put(OUTSIDE_FAILS, 1, []);
    let (_server, dns) = zone.serve().await;
    let mut server = NameServerConfig::udp_and_tcp(dns.ip());
    server.connections.iter_mut().for_each(|connection| connection.port = dns.port());
    let search =
        ["shop.svc.cluster.local.", "svc.cluster.local.", "corp.example."].map(|it| Name::from_ascii(it).unwrap());
    let mut options = ResolverOpts::default();
    options.ndots = 5;
    let config = ResolverConfig::from_parts(None, search.to_vec(), vec![server]);
    let resolver = crate::topology::resolve::Resolver::of(config, options).unwrap();
    let refusal = resolver.addresses("mysql-0.mysql").await.unwrap_err();
    assert!(matches!(refusal, DiscoveryError::NoAnswer { .. }), "nobody knows such a name yet: {refusal}");
    zone.put("mysql-0.mysql.shop.svc.cluster.local.", 1, [a(7)]);
    assert_eq!(resolver.addresses("mysql-0.mysql").await.unwrap().found, [at(7).ip()]);
    zone.remove("mysql-0.mysql.shop.svc.cluster.local.");
    assert_eq!(resolver.addresses("mysql-0.mysql").await, Err(DiscoveryError::NoSuchName("mysql-0.mysql".to_owned())));
    // What another domain has is no reason not to ask the cluster again.
    zone.put("db.corp.example.", 1, [a(8)]);
    assert_eq!(resolver.addresses("db").await.unwrap().found, [at(8).ip()]);
    zone.put("db.shop.svc.cluster.local.", 1, [a(9)]);
    assert_eq!(resolver.addresses("db").await.unwrap().found, [at(9).ip()]);
}
