//! The cluster's DNS: names of Services, and of the pods behind headless ones.
//!
//! Knows the schema of Kubernetes' DNS, and that what lies outside of the cluster cannot be asked: nothing in a cluster may rely
//! on the Internet. Must not know why a pod is published.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use hickory_server::Server;
use hickory_server::net::runtime::Time;
use hickory_server::proto::op::{Metadata, ResponseCode};
use hickory_server::proto::rr::rdata::{A, SRV};
use hickory_server::proto::rr::{Name, RData, Record};
use hickory_server::server::{Request, RequestHandler, ResponseHandler, ResponseInfo};
use hickory_server::zone_handler::MessageResponseBuilder;
use tokio::net::{TcpListener, UdpSocket};

use super::directory::Directory;

/// What `CoreDNS` gives by default.
const TTL: u32 = 5;

/// Of these names it has the last word.
const CLUSTER_DOMAIN: &str = ".cluster.local.";

struct Zone(Arc<Directory>);

/// Serves on port 53 of an address.
pub async fn serve(directory: Arc<Directory>, address: Ipv4Addr) -> Server<impl RequestHandler> {
    let mut server = Server::new(Zone(directory));
    server.register_socket(UdpSocket::bind((address, 53)).await.unwrap());
    server.register_listener(TcpListener::bind((address, 53)).await.unwrap(), Duration::from_secs(5), 4096);
    server
}

#[async_trait]
impl RequestHandler for Zone {
    async fn handle_request<R: ResponseHandler, T: Time>(&self, request: &Request, mut response: R) -> ResponseInfo {
        let asked = request.request_info().unwrap();
        let (name, kind) = (asked.query.name().to_string().to_ascii_lowercase(), asked.query.query_type());
        let known = self.answer(&name);
        let mut metadata = Metadata::response_from_request(asked.metadata);
        if known.is_none() {
            let is_ours = name.ends_with(CLUSTER_DOMAIN);
            metadata.response_code = if is_ours { ResponseCode::NXDomain } else { ResponseCode::ServFail };
        }
        let owner = Name::from_ascii(&name).unwrap();
        let records = known.into_iter().flatten().map(|data| Record::from_rdata(owner.clone(), TTL, data));
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
        let labels: Vec<&str> = name.strip_suffix(&self.0.zone)?.trim_end_matches('.').split('.').collect();
        let records: Vec<RData> = match labels.as_slice() {
            [service] => {
                let (service, address) = self.0.service(service)?;
                match address {
                    Some(address) => vec![RData::A(A(*address))],
                    None => self.0.endpoints(service).iter().map(|pod| RData::A(A(pod.address))).collect(),
                }
            }
            [port, "_tcp", service_name] => {
                let (service, address) = self.0.service(service_name)?;
                let port = port.strip_prefix('_')?;
                let mut ports = service.spec.as_ref().unwrap().ports.iter().flatten();
                let port = ports.find(|declared| declared.name.as_deref() == Some(port))?;
                let target = |host: &str, number: u16| {
                    let target = Name::from_ascii(format!("{host}{}", self.0.zone)).unwrap();
                    RData::SRV(SRV::new(0, 100, number, target))
                };
                match address {
                    Some(_) => vec![target(&format!("{service_name}."), port.port as u16)],
                    None => self
                        .0
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
                let (service, _) = self.0.service(service)?;
                let pods = self.0.endpoints(service);
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
