//! The least that any proxy on this runtime costs: bytes go to and fro, nobody looks at them.

use std::{error::Error, net::SocketAddr};

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
};

/// Serves until the process ends: `[listen, server]`.
pub fn serve(addresses: &[String]) -> Result<(), Box<dyn Error>> {
    let [listen, server] = addresses else { return Err("two addresses are wanted".into()) };
    let server: SocketAddr = server.parse()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(listen).await?;
        loop {
            let (mut client, _) = listener.accept().await?;
            let mut member = TcpStream::connect(server).await?;
            client.set_nodelay(true)?;
            member.set_nodelay(true)?;
            tokio::spawn(async move { copy_bidirectional(&mut client, &mut member).await });
        }
    })
}
