//! Who is behind which name: pods and Services as they are at this moment.
//!
//! Knows labels, readiness and ports. Must not know DNS messages or sockets.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use k8s_openapi::api::core::v1::{Service, ServicePort};

use super::pod::Pod;

/// All pods and Services.
#[derive(Default)]
pub struct Directory {
    pods: Mutex<BTreeMap<String, Arc<Pod>>>,
    services: Vec<(Service, Option<Ipv4Addr>)>,
    /// `<namespace>.svc.cluster.local.`
    pub zone: String,
}

impl Directory {
    /// With the Services, each with its address unless it is headless.
    pub fn new(zone: String, services: Vec<(Service, Option<Ipv4Addr>)>) -> Self {
        Self { pods: Mutex::default(), services, zone }
    }

    /// A pod has begun.
    pub fn add(&self, pod: &Arc<Pod>) {
        self.pods.lock().unwrap().insert(pod.name.clone(), Arc::clone(pod));
    }

    /// A pod has gone.
    pub fn remove(&self, pod: &Pod) {
        let mut pods = self.pods.lock().unwrap();
        if pods.get(&pod.name).is_some_and(|known| known.serial == pod.serial) {
            pods.remove(&pod.name);
        }
    }

    /// The pod of this name.
    pub fn pod(&self, name: &str) -> Option<Arc<Pod>> {
        self.pods.lock().unwrap().get(name).cloned()
    }

    /// All pods.
    pub fn pods(&self) -> Vec<Arc<Pod>> {
        self.pods.lock().unwrap().values().cloned().collect()
    }

    /// Those with an address, and their ports.
    pub fn with_address(&self) -> impl Iterator<Item = (&Service, Ipv4Addr)> {
        self.services.iter().filter_map(|(service, address)| Some((service, (*address)?)))
    }

    /// The Service of this name, and its address unless it is headless.
    pub fn service(&self, name: &str) -> Option<&(Service, Option<Ipv4Addr>)> {
        self.services.iter().find(|(service, _)| service.metadata.name.as_deref() == Some(name))
    }

    /// The pods behind a Service that it publishes now.
    pub fn endpoints(&self, service: &Service) -> Vec<Arc<Pod>> {
        let spec = service.spec.as_ref().unwrap();
        let Some(selector) = &spec.selector else { return Vec::new() };
        let published = |pod: &Arc<Pod>| {
            selector.iter().all(|(key, value)| pod.labels.get(key) == Some(value))
                && (pod.is_ready() || spec.publish_not_ready_addresses == Some(true))
        };
        self.pods().into_iter().filter(published).collect()
    }

    /// Where a Service's port leads to, at one pod.
    pub fn target(pod: &Pod, port: &ServicePort) -> Option<SocketAddr> {
        use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
        let number = match &port.target_port {
            None => port.port as u16,
            Some(IntOrString::Int(number)) => *number as u16,
            Some(IntOrString::String(name)) => {
                pod.inits.iter().chain(&pod.containers).find_map(|container| container.named_port(name))?
            }
        };
        Some((pod.address, number).into())
    }
}
