//! The cluster's DNS: names of Services, and of the pods behind headless ones.
//!
//! Knows the schema of Kubernetes' DNS, and that what lies outside of the cluster cannot be asked: such a question fails, or nobody
//! answers it, by turns. Nothing in a cluster may rely on the Internet. Must not know why a pod is published.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use hickory_server::Server;
use hickory_server::net::runtime::Time;
use hickory_server::proto::op::{Header, HeaderCounts, Metadata, ResponseCode};
use hickory_server::proto::rr::rdata::{A, SRV};
use hickory_server::proto::rr::{Name, RData, Record};
use hickory_server::server::{Request, RequestHandler, ResponseHandler, ResponseInfo};
use hickory_server::zone_handler::MessageResponseBuilder;
use tokio::net::{TcpListener, UdpSocket};

use super::directory::Directory;

/// What `CoreDNS` gives by default.
const TTL: u32 = 5;

/// When it was said, and what: nothing of a name that is not there.
type Said = (Instant, Option<Vec<RData>>);

/// What is said for as long as it was said before, as by a cache before the cluster's own DNS.
#[derive(Default)]
pub struct Memory {
    /// In seconds; 0: nothing is remembered.
    ttl: AtomicU32,
    said: Mutex<HashMap<String, Said>>,
}

impl Memory {
    /// From now on each answer holds for so long, also that there is none. `kubeadm`'s setting is 30 s.
    pub fn remember_for(&self, time: Duration) {
        self.ttl.store(u32::try_from(time.as_secs()).unwrap(), Ordering::Relaxed);
        self.said.lock().unwrap().clear();
    }

    /// The answer, and for how many seconds it holds.
    fn recall(&self, name: &str, answer: impl FnOnce() -> Option<Vec<RData>>) -> (Option<Vec<RData>>, u32) {
        let ttl = self.ttl.load(Ordering::Relaxed);
        if ttl == 0 {
            return (answer(), TTL);
        }
        let mut said = self.said.lock().unwrap();
        let age = |begun: &Instant| u32::try_from(begun.elapsed().as_secs()).unwrap();
        match said.get(name) {
            Some((begun, answer)) if age(begun) < ttl => (answer.clone(), ttl - age(begun)),
            _ => {
                let answer = answer();
                said.insert(name.to_owned(), (Instant::now(), answer.clone()));
                (answer, ttl)
            }
        }
    }
}

/// Of these names it has the last word.
const CLUSTER_DOMAIN: &str = ".cluster.local.";

struct Zone {
    directory: Arc<Directory>,
    memory: Arc<Memory>,
    /// How many questions were about what lies outside.
    outside: AtomicU32,
}

/// Serves on port 53 of an address.
pub async fn serve(directory: Arc<Directory>, memory: Arc<Memory>, address: Ipv4Addr) -> Server<impl RequestHandler> {
    let mut server = Server::new(Zone { directory, memory, outside: AtomicU32::default() });
    server.register_socket(UdpSocket::bind((address, 53)).await.unwrap());
    server.register_listener(TcpListener::bind((address, 53)).await.unwrap(), Duration::from_secs(5), 4096);
    server
}

#[async_trait]
impl RequestHandler for Zone {
    async fn handle_request<R: ResponseHandler, T: Time>(&self, request: &Request, mut response: R) -> ResponseInfo {
        let asked = request.request_info().unwrap();
        let (name, kind) = (asked.query.name().to_string().to_ascii_lowercase(), asked.query.query_type());
        let (known, ttl) = self.memory.recall(&name, || self.answer(&name));
        let mut metadata = Metadata::response_from_request(asked.metadata);
        if known.is_none() {
            let is_ours = name.ends_with(CLUSTER_DOMAIN);
            if !is_ours && !self.outside.fetch_add(1, Ordering::Relaxed).is_multiple_of(2) {
                return Header { metadata, counts: HeaderCounts::default() }.into();
            }
            metadata.response_code = if is_ours { ResponseCode::NXDomain } else { ResponseCode::ServFail };
        }
        let owner = Name::from_ascii(&name).unwrap();
        let records = known.into_iter().flatten().map(|data| Record::from_rdata(owner.clone(), ttl, data));
        let answers: Vec<Record> = records.filter(|record| record.record_type() == kind).collect();
        let none: [Record; 0] = [];
        let message =
            MessageResponseBuilder::from_message_request(request).build(metadata, &answers, &none, &none, &none);
        response.send_response(message).await.unwrap()
    }
}

impl Zone {
    /// All records of a name; none if it does not exist.
    fn answer(&self, name: &str) -> Option<Vec<RData>> {
        let labels: Vec<&str> = name.strip_suffix(&self.directory.zone)?.trim_end_matches('.').split('.').collect();
        let records: Vec<RData> = match labels.as_slice() {
            [service] => {
                let (service, address) = self.directory.service(service)?;
                match address {
                    Some(address) => vec![RData::A(A(*address))],
                    None => self.directory.endpoints(service).iter().map(|pod| RData::A(A(pod.address))).collect(),
                }
            }
            [port, "_tcp", service_name] => {
                let (service, address) = self.directory.service(service_name)?;
                let port = port.strip_prefix('_')?;
                let mut ports = service.spec.as_ref().unwrap().ports.iter().flatten();
                let port = ports.find(|declared| declared.name.as_deref() == Some(port))?;
                let target = |host: &str, number: u16| {
                    let target = Name::from_ascii(format!("{host}{}", self.directory.zone)).unwrap();
                    RData::SRV(SRV::new(0, 100, number, target))
                };
                match address {
                    Some(_) => vec![target(&format!("{service_name}."), port.port as u16)],
                    None => self
                        .directory
                        .endpoints(service)
                        .iter()
                        .filter_map(|pod| {
                            let at = Directory::target(pod, port)?;
                            Some(target(&format!("{}.{service_name}.", pod.name), at.port()))
                        })
                        .collect(),
                }
            }
            [pod, service] => {
                let (service, _) = self.directory.service(service)?;
                let pods = self.directory.endpoints(service);
                let pod = pods.iter().find(|candidate| candidate.name == *pod)?;
                vec![RData::A(A(pod.address))]
            }
            _ => return None,
        };
        (!records.is_empty()).then_some(records)
    }
}

/// The address of a name, as a pod would find it; for tests.
pub fn address_of(directory: &Directory, service: &str) -> Option<IpAddr> {
    directory.service(service)?.1.map(IpAddr::V4)
}
