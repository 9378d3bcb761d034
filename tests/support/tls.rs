//! Certificates for tests, and a look at the one that a server shows.

use std::fs;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mysql_proxy::wire::greeting::Greeting;
use mysql_proxy::wire::{Capabilities, Extensions, auth, login::Login};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, Error, SignatureScheme, StreamOwned};

use super::raw::greeted;

/// An authority with a folder of its own, which servers may read.
pub struct Authority {
    folder: tempfile::TempDir,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// A new one.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "an authority");
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        fs::write(folder.path().join("ca.pem"), certificate.pem()).unwrap();
        Authority { folder, issuer: Issuer::new(params, key) }
    }

    /// Where its own certificate is.
    pub fn ca(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// A file of its folder: `NAME.pem` and `NAME.key`.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Makes a certificate with its key, in place of what is there under this name.
    pub fn issue(&self, name: &str, names: &[&str], addresses: &[IpAddr]) -> CertificateDer<'static> {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let names = names.into_iter().chain(addresses.iter().map(ToString::to_string)).collect::<Vec<_>>();
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        self.put(&format!("{name}.key"), &key.serialize_pem());
        self.put(&format!("{name}.pem"), &certificate.pem());
        certificate.der().clone()
    }

    fn put(&self, name: &str, text: &str) {
        let path = self.file(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    }
}

/// The shown certificate, whoever it is from.
#[derive(Debug, Default)]
struct Shown(Mutex<Option<CertificateDer<'static>>>);

impl ServerCertVerifier for Shown {
    fn verify_server_cert(
        &self,
        own: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        *self.0.lock().unwrap() = Some(own.clone().into_owned());
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        default_provider().signature_verification_algorithms.supported_schemes()
    }
}

/// A connection that is encrypted, and not logged in.
pub type Encrypted = StreamOwned<ClientConnection, TcpStream>;

/// What asks for TLS in front of a login.
pub fn ssl_request(capabilities: Capabilities) -> Vec<u8> {
    let login = Login {
        capabilities: capabilities | Capabilities::SSL,
        extensions: Extensions::empty(),
        max_packet: 1 << 24,
        collation: 45,
        user: Vec::new(),
        response: Vec::new(),
        database: None,
        plugin: None,
        attributes: None,
    };
    login.encode_ssl_request()
}

/// Reads the greeting and asks for TLS; gives the connection and the certificate that was shown.
pub fn encrypted(address: SocketAddr) -> std::io::Result<(Encrypted, CertificateDer<'static>)> {
    let (stream, _, certificate) = shaken(address)?;
    Ok((stream, certificate))
}

fn encrypted_with_greeting(address: SocketAddr) -> std::io::Result<(Encrypted, Greeting)> {
    let (stream, greeting, _) = shaken(address)?;
    Ok((stream, greeting))
}

fn shaken(address: SocketAddr) -> std::io::Result<(Encrypted, Greeting, CertificateDer<'static>)> {
    let mut raw = greeted(address)?.map_err(|error| std::io::Error::other(error.to_string()))?;
    let offered = raw.greeting.capabilities;
    assert!(offered.contains(Capabilities::SSL), "TLS is not offered");
    raw.write(1, &ssl_request(offered & Capabilities::PROTOCOL_41))?;
    let shown = Arc::new(Shown::default());
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::clone(&shown) as Arc<dyn ServerCertVerifier>)
        .with_no_client_auth();
    let name = ServerName::try_from("anybody.test").unwrap();
    let mut connection = ClientConnection::new(Arc::new(config), name).map_err(std::io::Error::other)?;
    let mut socket = raw.writer();
    socket.set_read_timeout(Some(Duration::from_secs(20)))?;
    while connection.is_handshaking() {
        connection.complete_io(&mut socket)?;
    }
    let certificate = shown.0.lock().unwrap().clone().unwrap();
    Ok((StreamOwned::new(connection, socket), raw.greeting, certificate))
}

/// A client that has logged in inside TLS.
pub struct Client(Encrypted);

/// Logs in as an account whose name is its password.
pub fn log_in(address: SocketAddr, user: &str) -> Client {
    let (mut stream, greeting) = encrypted_with_greeting(address).unwrap();
    let capabilities = Capabilities::PROTOCOL_41 | Capabilities::SECURE_CONNECTION | Capabilities::PLUGIN_AUTH;
    let login = Login {
        capabilities: capabilities | Capabilities::SSL,
        extensions: Extensions::empty(),
        max_packet: 1 << 24,
        collation: 45,
        user: user.into(),
        response: auth::native(user.as_bytes(), &greeting.salt),
        database: None,
        plugin: Some(auth::NATIVE.to_owned()),
        attributes: None,
    };
    let payload = login.encode();
    stream
        .write_all(&[&u32::try_from(payload.len()).unwrap().to_le_bytes()[..3], &[2], &payload[..]].concat())
        .unwrap();
    let mut client = Client(stream);
    assert_eq!(client.answer(), 0, "it came in");
    client
}

impl Client {
    /// `COM_PING`; the first byte of the answer.
    pub fn ping(&mut self) -> u8 {
        self.0.write_all(&[1, 0, 0, 0, 0x0e]).unwrap();
        self.answer()
    }

    fn answer(&mut self) -> u8 {
        let mut header = [0; 4];
        self.0.read_exact(&mut header).unwrap();
        let mut payload = vec![0; usize::from(header[0]) | usize::from(header[1]) << 8];
        self.0.read_exact(&mut payload).unwrap();
        payload[0]
    }
}
