// SPDX-License-Identifier: Apache-2.0
//! matrix-rustls HOST BUNDLE: GET /v1/models, by rustls. Its symbols are stripped (Cargo.toml).

use std::io::{Read, Write};
use std::sync::Arc;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let (host, bundle) = (&arguments[1], &arguments[2]);
    let mut roots = rustls::RootCertStore::empty();
    for certificate in rustls_pemfile::certs(&mut std::io::BufReader::new(std::fs::File::open(bundle)?)) {
        roots.add(certificate?)?;
    }
    let config = rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let connection = rustls::ClientConnection::new(Arc::new(config), host.clone().try_into()?)?;
    let socket = std::net::TcpStream::connect((host.as_str(), 443))?;
    let mut stream = rustls::StreamOwned::new(connection, socket);
    write!(stream, "GET /v1/models HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Err(error) if error.kind() != std::io::ErrorKind::UnexpectedEof => Err(error)?,
        _ if answer.starts_with(b"HTTP/1.1 200 ") => Ok(()),
        _ => Err("no answer")?,
    }
}
