//! Services with an address of their own: each connection goes to one pod that is ready.
//!
//! Knows sockets. Must not know pods beyond where they listen.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use k8s_openapi::api::core::v1::{Service, ServicePort};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};

use super::directory::Directory;

/// Listens on each port of each Service.
pub async fn serve_all(directory: &Arc<Directory>) {
    for (service, address) in directory.with_address() {
        for port in service.spec.as_ref().unwrap().ports.iter().flatten() {
            serve(Arc::clone(directory), service.clone(), port.clone(), address).await;
        }
    }
}

async fn serve(directory: Arc<Directory>, service: Service, port: ServicePort, address: Ipv4Addr) {
    let listener = TcpListener::bind((address, port.port as u16)).await.unwrap();
    tokio::spawn(async move {
        let turn = AtomicUsize::new(0);
        while let Ok((mut client, _)) = listener.accept().await {
            let pods = directory.endpoints(&service);
            let targets: Vec<_> = pods.iter().filter_map(|pod| Directory::target(pod, &port)).collect();
            // With nobody behind it the connection closes, where a cluster would refuse it.
            let Some(target) = targets.get(turn.fetch_add(1, Ordering::Relaxed) % targets.len().max(1)).copied() else {
                continue;
            };
            tokio::spawn(async move {
                if let Ok(mut server) = TcpStream::connect(target).await {
                    let _ = client.set_nodelay(true);
                    let _ = server.set_nodelay(true);
                    let _ = copy_bidirectional(&mut client, &mut server).await;
                }
            });
        }
    });
}
