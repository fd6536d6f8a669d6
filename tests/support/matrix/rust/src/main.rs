// SPDX-License-Identifier: Apache-2.0
//! reqwest over native-tls: OpenSSL, the system's or one linked in. The protocol is in ../clients.py.

use reqwest::blocking::{Body, Client};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{BufRead, Read, Write};

fn hex(data: &[u8]) -> String {
    Sha256::digest(data).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn exchange(client: &Client, job: &[&str]) -> Result<String, Box<dyn std::error::Error>> {
    let [id, method, host, target, framing, path, more] = job else {
        return Err("a job has seven fields".into());
    };
    let mut sent = Vec::new();
    if !path.is_empty() {
        File::open(path)?.read_to_end(&mut sent)?;
    }
    let hash = hex(&sent);
    let mut request = client
        .request(method.parse()?, format!("https://{host}{target}"))
        .header("api-key", "0123456789abcdef0123456789abcdef");
    if !more.is_empty() {
        let (name, value) = more.split_once(": ").ok_or("not a header")?;
        request = request.header(name, value);
    }
    if *framing != "none" {
        request = request.header("content-type", "application/json");
        request = request.body(match *framing {
            "chunked" => Body::new(std::io::Cursor::new(sent)),
            _ => Body::from(sent),
        });
    }
    let answer = request.send()?;
    let status = answer.status().as_u16();
    let body = answer.bytes()?;
    Ok(format!(
        "{{\"id\":\"{id}\",\"pid\":{},\"status\":{status},\"sent_sha256\":\"{hash}\",\"body_sha256\":\"{}\"}}",
        std::process::id(),
        hex(&body)
    ))
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let client = Client::builder().http1_only().build()?;
    let mut count = 0;
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let text = if line.is_empty() {
            let done = format!("{{\"done\":{count}}}");
            count = 0;
            done
        } else {
            count += 1;
            exchange(&client, &line.split('\t').collect::<Vec<_>>())?
        };
        let mut out = std::io::stdout().lock();
        writeln!(out, "{text}")?;
        out.flush()?;
    }
    Ok(())
}
