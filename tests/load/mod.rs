//! Many tenants, and a client so light that it measures nothing but the server.

use std::error::Error;
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use cpv_consent::emulator::{Browser, Emulator, User};
use cpv_consent::{AppRegistration, ClientCredential, ClientId, Cloud, Origins, TenantId};
use url::{Url, form_urlencoded};

pub(crate) type Outcome<T> = Result<T, Box<dyn Error>>;

/// Partners with their customers, and a request for every tenant: a partner's refresh token is
/// redeemed there.
pub(crate) struct Crowd {
    pub(crate) address: SocketAddr,
    pub(crate) requests: Vec<Vec<u8>>,
    vendor: ClientId,
}

impl Crowd {
    /// So many partners sign in and consent; each has so many customers.
    pub(crate) async fn gather(
        entra: &Emulator,
        partners: usize,
        customers: usize,
    ) -> Outcome<Self> {
        let address = Url::parse(entra.login_origin())?.socket_addrs(|| None)?[0];
        let vendor = register(entra)?;
        let mut crowd = Self { address, requests: Vec::new(), vendor };
        for number in 0..partners {
            let partner = entra.add_tenant(&format!("Partner {number}"));
            let admin = entra.add_user(partner, &format!("admin@partner{number}.example"));
            let refresh_token = crowd.sign_in(partner, &admin).await?;
            crowd.add(partner, &refresh_token);
            for customer in 0..customers {
                let name = format!("Customer {customer} of {number}");
                let customer = entra.add_customer(partner, &name);
                entra.grant(customer, vendor, PARTNER_CENTER, &["user_impersonation"]);
                crowd.add(customer, &refresh_token);
            }
        }
        Ok(crowd)
    }

    fn add(&mut self, tenant: TenantId, refresh_token: &str) {
        let fields = [("grant_type", "refresh_token"), ("refresh_token", refresh_token)];
        self.requests.push(self.post(tenant, &fields));
    }

    async fn sign_in(&self, partner: TenantId, admin: &User) -> Outcome<String> {
        let url = format!("http://{}/{partner}/oauth2/v2.0/authorize", self.address);
        let client = self.vendor.to_string();
        let query = [
            ("client_id", client.as_str()),
            ("response_type", "code"),
            ("redirect_uri", REDIRECT),
            ("scope", SCOPE),
        ];
        let back = Browser::new().consent(&Url::parse_with_params(&url, query)?, admin).await?;
        let query = back.uri().query().unwrap_or_default();
        let code = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "code");
        let (_, code) = code.ok_or("no code came back")?;
        let grant =
            [("grant_type", "authorization_code"), ("code", &code), ("redirect_uri", REDIRECT)];
        let request = self.post(partner, &grant);
        let address = self.address;
        let reply = tokio::task::spawn_blocking(move || Client::connect(address, 1)?.ask(&request));
        member(&reply.await??, "refresh_token")
    }

    /// A token request as the crate sends it, the credential by secret.
    fn post(&self, tenant: TenantId, grant: &[(&str, &str)]) -> Vec<u8> {
        let body = form_urlencoded::Serializer::new(String::new())
            .extend_pairs([("client_id", self.vendor.to_string().as_str()), ("scope", SCOPE)])
            .extend_pairs(grant)
            .extend_pairs([("client_secret", SECRET)])
            .finish();
        let head = format!(
            "POST /{tenant}/oauth2/v2.0/token HTTP/1.1\r\n\
             host: {}\r\n\
             content-type: application/x-www-form-urlencoded\r\n\
             accept: application/json\r\n\
             client-request-id: 5f0c1f6e-6f3a-4c53-9d58-9a2a9b5d7c10\r\n\
             content-length: {}\r\n\r\n",
            self.address,
            body.len(),
        );
        (head + &body).into_bytes()
    }
}

fn register(entra: &Emulator) -> Outcome<ClientId> {
    let origins = Origins {
        login: entra.login_origin(),
        partner_center: entra.partner_center_origin(),
        graph: entra.graph_origin(),
    };
    let cloud = Cloud::danger_loopback("emulated", origins)?;
    let vendor = ClientId::parse("c11e0700-3333-4333-8333-333333333333")?;
    let secret = ClientCredential::secret(SECRET)?;
    let home = entra.add_tenant("Vendor");
    entra.register(&AppRegistration::new(cloud, home, vendor, secret, REDIRECT)?);
    Ok(vendor)
}

/// The text of a member of a reply.
fn member(reply: &[u8], name: &str) -> Outcome<String> {
    let json: serde_json::Value = serde_json::from_slice(body(reply)?)?;
    Ok(json[name].as_str().ok_or_else(|| format!("no {name}"))?.to_owned())
}

/// What follows the head of a reply.
pub(crate) fn body(reply: &[u8]) -> Outcome<&[u8]> {
    let head = reply.windows(4).position(|end| end == b"\r\n\r\n").ok_or("a head without end")?;
    Ok(&reply[head + 4..])
}

/// A line of `/proc/self/status`, such as `VmHWM`, in megabytes.
pub(crate) fn memory(line: &str) -> Outcome<f64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|known| known.starts_with(line)).ok_or("no such line")?;
    let kilobytes: f64 = line.split_whitespace().nth(1).ok_or("no number")?.parse()?;
    Ok(kilobytes / 1024.0)
}

/// Connections that are kept alive, each with one request under way at most, in two halves: while the
/// server works for one, the other is read and sent anew. In each the last reply is awaited first, so
/// that a server need not wake the client for every one.
pub(crate) struct Client {
    halves: [Vec<TcpStream>; 2],
    buffer: Vec<u8>,
}

impl Client {
    pub(crate) fn connect(to: SocketAddr, connections: usize) -> io::Result<Self> {
        let line = || {
            let line = TcpStream::connect(to)?;
            line.set_nodelay(true)?;
            Ok(line)
        };
        let half = |size| (0..size).map(|_| line()).collect::<io::Result<Vec<_>>>();
        let halves = [half(connections.div_ceil(2))?, half(connections / 2)?];
        Ok(Self { halves, buffer: vec![0; LONGEST_REPLY] })
    }

    /// The whole reply to one request.
    pub(crate) fn ask(&mut self, request: &[u8]) -> io::Result<Vec<u8>> {
        let line = &mut self.halves[0][0];
        line.write_all(request)?;
        let length = read(line, &mut self.buffer)?;
        Ok(self.buffer[..length].to_vec())
    }

    /// Sends the requests in turn until `count` were answered with 200, and says how long that took.
    pub(crate) fn run(&mut self, requests: &[Vec<u8>], count: usize) -> io::Result<Duration> {
        let begun = Instant::now();
        let mut left = requests.iter().cycle().take(count).peekable();
        let mut under_way = [0, 0];
        while left.peek().is_some() || under_way != [0, 0] {
            for (lines, under_way) in self.halves.iter_mut().zip(&mut under_way) {
                for line in lines[..*under_way].iter_mut().rev() {
                    read(line, &mut self.buffer)?;
                }
                *under_way = 0;
                for (line, request) in lines.iter_mut().zip(left.by_ref()) {
                    line.write_all(request)?;
                    *under_way += 1;
                }
            }
        }
        Ok(begun.elapsed())
    }
}

/// Reads one reply, and says how long it is.
fn read(line: &mut TcpStream, into: &mut [u8]) -> io::Result<usize> {
    let mut length = 0;
    loop {
        match line.read(&mut into[length..])? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            more => length += more,
        }
        if whole(&into[..length])? == Some(length) {
            return Ok(length);
        }
    }
}

/// How long a reply is that begins so, once its head tells.
fn whole(reply: &[u8]) -> io::Result<Option<usize>> {
    let Some(end) = reply.windows(4).position(|end| end == b"\r\n\r\n") else { return Ok(None) };
    let head = str::from_utf8(&reply[..end]).map_err(io::Error::other)?;
    if !head.starts_with("HTTP/1.1 200 ") {
        return Err(io::Error::other(head.to_owned()));
    }
    let length = head.split("content-length: ").nth(1).and_then(|rest| rest.lines().next());
    let length: usize =
        length.and_then(|text| text.parse().ok()).ok_or(io::ErrorKind::InvalidData)?;
    Ok(Some(end + 4 + length))
}

const LONGEST_REPLY: usize = 64 * 1024;
const SECRET: &str = "only-here";
const REDIRECT: &str = "https://panel.example/callback";
const PARTNER_CENTER: &str = "https://api.partnercenter.microsoft.com";
const SCOPE: &str =
    "openid offline_access https://api.partnercenter.microsoft.com/user_impersonation";
