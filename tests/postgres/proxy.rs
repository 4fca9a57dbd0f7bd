//! A wire to the server that is cut at a chosen moment.

use std::io;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What happens to a request, and to the connection that it came by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// The server never sees the request.
    Before,
    /// The server has the request; nobody waits for the answer.
    During,
    /// The server has answered; the answer is lost.
    After,
    /// The server has answered; nothing more comes, and the connection stays open.
    Silence,
}

/// A port that leads to another.
#[derive(Debug)]
pub struct Proxy {
    pub port: u16,
    plan: Plan,
}

/// Which of the requests to come is cut, and how.
type Plan = Arc<Mutex<Option<(u32, Cut)>>>;

impl Proxy {
    pub async fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let own = listener.local_addr().expect("bound").port();
        let plan = Plan::default();
        let shared = Arc::clone(&plan);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let plan = Arc::clone(&shared);
                tokio::spawn(async move {
                    let server = TcpStream::connect(("127.0.0.1", port)).await?;
                    relay(client, server, &plan).await
                });
            }
        });
        Self { port: own, plan }
    }

    /// The same address, by way of this wire.
    pub fn url(&self, url: &str, port: u16) -> String {
        url.replace(&format!(":{port}/"), &format!(":{}/", self.port))
    }

    /// Cuts the `number`th request from now on, counted from 1.
    pub fn cut(&self, number: u32, how: Cut) {
        *self.plan.lock().expect("nobody panics") = Some((number, how));
    }

    /// Whether a cut is still to come; it does not come any more.
    pub fn spare(&self) -> bool {
        self.plan.lock().expect("nobody panics").take().is_some()
    }
}

/// Counts this request, and tells what becomes of it.
fn next(plan: &Plan) -> Option<Cut> {
    let mut plan = plan.lock().expect("nobody panics");
    let (left, how) = (*plan)?;
    *plan = (left > 1).then_some((left - 1, how));
    (left == 1).then_some(how)
}

async fn relay(mut client: TcpStream, mut server: TcpStream, plan: &Plan) -> io::Result<()> {
    let (mut asked, mut answered) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    loop {
        tokio::select! {
            length = client.read(&mut asked) => match length? {
                0 => return Ok(()),
                length => match next(plan) {
                    None => server.write_all(&asked[..length]).await?,
                    Some(cut) => return end(&mut client, &mut server, &asked[..length], cut).await,
                },
            },
            length = server.read(&mut answered) => match length? {
                0 => return Ok(()),
                length => client.write_all(&answered[..length]).await?,
            },
        }
    }
}

async fn end(
    client: &mut TcpStream,
    server: &mut TcpStream,
    asked: &[u8],
    cut: Cut,
) -> io::Result<()> {
    if cut == Cut::Before {
        return Ok(());
    }
    server.write_all(asked).await?;
    if cut == Cut::During {
        return Ok(());
    }
    let mut answer = Vec::new();
    while !is_complete(&answer) {
        server.read_buf(&mut answer).await?;
    }
    if cut == Cut::Silence {
        // Until the client gives up.
        while client.read(&mut [0; 64]).await? > 0 {}
    }
    Ok(())
}

/// Whether it ends with `ReadyForQuery`, which comes once the transaction has ended.
fn is_complete(answer: &[u8]) -> bool {
    matches!(answer, [.., b'Z', 0, 0, 0, 5, b'I'])
}
