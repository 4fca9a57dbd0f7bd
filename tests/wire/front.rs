//! A server that speaks bytes, in front of one that speaks HTTP: it hands requests on, and does to
//! chosen ones what no HTTP library would.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};

/// What is sent in place of a good reply, made from the body of that.
pub type Mangle = Arc<dyn Fn(&[u8]) -> Vec<u8> + Send + Sync>;

/// What is done to a request that is meant.
#[derive(Clone)]
pub enum Act {
    /// Answered with these bytes, then closed.
    Mangle(Mangle),
    /// Answered with the first, then with the second until the client hangs up.
    Endless(Vec<u8>, Vec<u8>),
    /// The good reply, a byte for each drop that is allowed.
    Drip,
}

/// Whether a request is meant, by its bytes.
type Meant = Arc<dyn Fn(&str) -> bool + Send + Sync>;

/// The server. It takes one request per connection.
pub struct Front {
    pub origin: String,
    shared: Arc<Shared>,
}

struct Shared {
    upstream: SocketAddr,
    act: Mutex<Option<(Meant, Act)>>,
    sent: AtomicUsize,
    meant: AtomicUsize,
    drops: Semaphore,
    dripped: watch::Sender<usize>,
}

impl Front {
    pub async fn before(upstream: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let origin = format!("http://{}", listener.local_addr().expect("bound"));
        let shared = Arc::new(Shared {
            upstream,
            act: Mutex::default(),
            sent: AtomicUsize::new(0),
            meant: AtomicUsize::new(0),
            drops: Semaphore::new(0),
            dripped: watch::Sender::default(),
        });
        let serving = shared.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let shared = serving.clone();
                // A client that hangs up is what many tests are about.
                tokio::spawn(async move { shared.serve(client).await.ok() });
            }
        });
        Self { origin, shared }
    }

    pub fn act(&self, meant: impl Fn(&str) -> bool + Send + Sync + 'static, act: Act) {
        self.shared.meant.store(0, Ordering::SeqCst);
        *self.shared.act.lock().expect("not poisoned") = Some((Arc::new(meant), act));
    }

    pub fn behave(&self) {
        *self.shared.act.lock().expect("not poisoned") = None;
    }

    /// How many requests were meant since the act began.
    pub fn meant(&self) -> usize {
        self.shared.meant.load(Ordering::SeqCst)
    }

    /// How many bytes clients took of what never ends.
    pub fn sent(&self) -> usize {
        self.shared.sent.load(Ordering::SeqCst)
    }

    /// Sends one more byte, and resolves once it is sent.
    pub async fn drip(&self) {
        let mut dripped = self.shared.dripped.subscribe();
        let wanted = *dripped.borrow_and_update() + 1;
        self.shared.drops.add_permits(1);
        dripped.wait_for(|sent| *sent >= wanted).await.expect("its sender is ours");
    }
}

impl fmt::Debug for Front {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Front").field("origin", &self.origin).finish_non_exhaustive()
    }
}

impl Shared {
    async fn serve(&self, mut client: TcpStream) -> io::Result<()> {
        let request = read_message(&mut client).await?;
        let reply = self.forward(&request).await?;
        match self.act_for(&request) {
            None => client.write_all(&reply).await?,
            Some(Act::Mangle(mangle)) => client.write_all(&mangle(body_of(&reply))).await?,
            Some(Act::Endless(head, piece)) => self.pour(&mut client, &head, &piece).await?,
            Some(Act::Drip) => self.trickle(&mut client, &reply).await?,
        }
        client.shutdown().await
    }

    fn act_for(&self, request: &[u8]) -> Option<Act> {
        let act = self.act.lock().expect("not poisoned").clone();
        let (meant, act) = act?;
        if !meant(&String::from_utf8_lossy(request)) {
            return None;
        }
        self.meant.fetch_add(1, Ordering::SeqCst);
        Some(act)
    }

    /// Asks the server behind, which closes after its reply and so does the client.
    async fn forward(&self, request: &[u8]) -> io::Result<Vec<u8>> {
        let head = request.windows(2).position(|two| two == b"\r\n").expect("a request line");
        let (line, rest) = request.split_at(head);
        let mut server = TcpStream::connect(self.upstream).await?;
        server.write_all(&[line, b"\r\nconnection: close", rest].concat()).await?;
        let mut reply = Vec::new();
        server.read_to_end(&mut reply).await?;
        Ok(reply)
    }

    async fn pour(&self, client: &mut TcpStream, head: &[u8], piece: &[u8]) -> io::Result<()> {
        client.write_all(head).await?;
        loop {
            client.write_all(piece).await?;
            self.sent.fetch_add(piece.len(), Ordering::SeqCst);
        }
    }

    async fn trickle(&self, client: &mut TcpStream, reply: &[u8]) -> io::Result<()> {
        for byte in reply {
            self.drops.acquire().await.expect("never closed").forget();
            client.write_all(&[*byte]).await?;
            self.dripped.send_modify(|sent| *sent += 1);
        }
        Ok(())
    }
}

/// A whole request with its body.
async fn read_message(client: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut message = Vec::new();
    loop {
        if client.read_buf(&mut message).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let Some(head) = head_length(&message) else { continue };
        let text = String::from_utf8_lossy(&message[..head]).to_ascii_lowercase();
        let length = text.split("content-length: ").nth(1).and_then(|rest| rest.lines().next());
        let length: usize = length.map_or(0, |length| length.parse().expect("a number"));
        if message.len() >= head + length {
            return Ok(message);
        }
    }
}

fn head_length(message: &[u8]) -> Option<usize> {
    message.windows(4).position(|four| four == b"\r\n\r\n").map(|end| end + 4)
}

fn body_of(reply: &[u8]) -> &[u8] {
    &reply[head_length(reply).expect("a reply")..]
}
