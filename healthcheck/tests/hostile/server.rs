//! A server that knows its part by heart, up to the point where it goes wrong.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// One turn of a server's part.
#[derive(Debug, Clone)]
pub enum Turn {
    /// It waits until the check has said something.
    Hears,
    /// It hears so many bytes, and none of what follows them.
    HearsJust(usize),
    /// It says this.
    Says(Vec<u8>),
    /// It says this, which nobody needs any more who has heard what came before.
    Adds(Vec<u8>),
    /// TLS begins.
    Secures,
    /// It says this, with the port of a second connection in the place of `PORT`.
    Names(&'static str),
    /// It sends this by the second connection, and closes that.
    Sends(&'static [u8]),
}

/// How a server goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// It closes in the middle of what it says.
    Closes,
    /// It resets the connection there.
    Resets,
    /// It says nothing more from there on.
    Hangs,
    /// It says the rest so slowly that it will not have come in time, byte by byte.
    Drips,
    /// It says more and more from there on, a gigabyte of it.
    Floods,
    /// It says nonsense instead.
    Babbles,
    /// Its certificate is for another name.
    OtherName,
    /// Its certificate is signed by nobody who is trusted.
    OtherAuthority,
    /// Its certificate has ended.
    Ended,
}

/// What a flood consists of in all.
pub const GIGABYTE: usize = 1 << 30;
/// What no protocol begins with, nor goes on with.
const NONSENSE: &[u8] = b"\x7f\xff\x13 down with it \x1b[2J\r\n\x7f\xff\x13 again\r\n";
/// How TLS begins on the server's side: a record that holds a greeting of 118 bytes.
const GREETING: &[u8] = b"\x16\x03\x03\x00\x7a\x02\x00\x00\x76\x03\x03 and so on, were it not so slow";

/// A certificate and its key, as a server shows them.
fn config(params: rcgen::CertificateParams, issuer: &Issuer, http2: bool) -> Arc<ServerConfig> {
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, issuer).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    if http2 {
        config.alpn_protocols = vec![b"h2".to_vec()];
    }
    Arc::new(config)
}

type Issuer = rcgen::Issuer<'static, rcgen::KeyPair>;

/// What servers show of themselves, and the file of the authority that checks trust.
pub struct Certificates {
    pub authority: String,
    good: [Arc<ServerConfig>; 2],
    other_name: [Arc<ServerConfig>; 2],
    other_authority: [Arc<ServerConfig>; 2],
    ended: [Arc<ServerConfig>; 2],
}

impl Certificates {
    pub fn new() -> Certificates {
        let authority = || {
            let key = rcgen::KeyPair::generate().unwrap();
            let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
            params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
            let pem = params.self_signed(&key).unwrap().pem();
            (rcgen::Issuer::new(params, key), pem)
        };
        let ((ours, pem), (other, _)) = (authority(), authority());
        // Each test has a file of its own: they run at once, and each has an authority.
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("hostile-{}-{number}.pem", std::process::id()));
        std::fs::write(&path, pem).unwrap();
        let named = |name: &str| rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
        let mut ended = named("127.0.0.1");
        ended.not_before = rcgen::date_time_ymd(2001, 1, 1);
        ended.not_after = rcgen::date_time_ymd(2002, 1, 1);
        let both = |params: rcgen::CertificateParams, issuer: &Issuer| {
            [false, true].map(|http2| config(params.clone(), issuer, http2))
        };
        Certificates {
            authority: path.to_str().unwrap().to_owned(),
            good: both(named("127.0.0.1"), &ours),
            other_name: both(named("other.example"), &ours),
            other_authority: both(named("127.0.0.1"), &other),
            ended: both(ended, &ours),
        }
    }

    fn of(&self, manner: Manner, http2: bool) -> TlsAcceptor {
        let which = match manner {
            Manner::OtherName => &self.other_name,
            Manner::OtherAuthority => &self.other_authority,
            Manner::Ended => &self.ended,
            _ => &self.good,
        };
        TlsAcceptor::from(which[usize::from(http2)].clone())
    }
}

trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Duplex for T {}

/// What a check says of itself (`proxy-protocol.txt`, section 2.2).
const LOCAL: &[u8; 16] = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";

/// One server, and how it is going to behave.
pub struct Server {
    pub part: Vec<Turn>,
    /// The turn in which it goes wrong; behind the last one when it has said all that was to be said.
    pub until: usize,
    pub manner: Manner,
    pub http2: bool,
    pub proxied: bool,
    pub certificates: Arc<Certificates>,
    /// How long the check waits, which tells how slow is too slow.
    pub patience: Duration,
    /// Bytes of a flood that somebody took.
    pub delivered: Arc<AtomicUsize>,
}

impl Server {
    pub async fn listen() -> (TcpListener, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        (listener, address)
    }

    /// Plays its part with the first client, and never ends.
    pub async fn serve(self, listener: TcpListener) {
        if let Ok((stream, _)) = listener.accept().await {
            // Whatever goes wrong here, the check has something to say of it.
            let _ = self.play(stream).await;
        }
        std::future::pending().await
    }

    async fn play(&self, stream: TcpStream) -> std::io::Result<()> {
        let socket = socket2::SockRef::from(&stream).try_clone()?;
        let (data, address) = Server::listen().await;
        let mut stream: Box<dyn Duplex> = Box::new(stream);
        if self.proxied {
            let mut header = [0; LOCAL.len()];
            stream.read_exact(&mut header).await?;
            if header != *LOCAL {
                return Err(std::io::ErrorKind::InvalidData.into());
            }
        }
        let mut heard = vec![0; 65_536];
        for (number, turn) in self.part.iter().enumerate() {
            if number == self.until {
                return self.go_wrong(stream, socket, Some(turn), data).await;
            }
            match turn {
                Turn::Hears => {
                    let _ = stream.read(&mut heard).await?;
                }
                Turn::HearsJust(length) => {
                    let _ = stream.read_exact(heard.get_mut(..*length).unwrap()).await?;
                }
                Turn::Says(bytes) | Turn::Adds(bytes) => say(&mut stream, bytes).await?,
                Turn::Names(line) => say(&mut stream, &named(line, address)).await?,
                Turn::Secures => {
                    let acceptor = self.certificates.of(Manner::Hangs, self.http2);
                    stream = Box::new(acceptor.accept(stream).await?);
                }
                Turn::Sends(file) => say(&mut data.accept().await?.0, file).await?,
            }
        }
        self.go_wrong(stream, socket, None, data).await
    }

    async fn go_wrong(
        &self,
        mut stream: Box<dyn Duplex>,
        socket: socket2::Socket,
        turn: Option<&Turn>,
        data: TcpListener,
    ) -> std::io::Result<()> {
        let address = data.local_addr()?;
        let whole = match turn {
            Some(Turn::Says(bytes)) => bytes.clone(),
            Some(Turn::Names(line)) => named(line, address),
            Some(Turn::Secures) => GREETING.to_vec(),
            Some(Turn::Sends(file)) => file.to_vec(),
            Some(Turn::Hears | Turn::HearsJust(_) | Turn::Adds(_)) | None => Vec::new(),
        };
        if let Some(Turn::Sends(_)) = turn {
            // The first connection stays, and says nothing more.
            let second = data.accept().await?.0;
            let socket = socket2::SockRef::from(&second).try_clone()?;
            let went = self.misbehave(Box::new(second), socket, whole).await;
            say(&mut stream, b"226 done\r\n").await?;
            return went;
        }
        let shows = matches!(self.manner, Manner::OtherName | Manner::OtherAuthority | Manner::Ended);
        if matches!(turn, Some(Turn::Secures)) && !shows {
            // The check speaks first.
            let _ = stream.read(&mut vec![0; 65_536]).await?;
        }
        self.misbehave(stream, socket, whole).await
    }

    async fn misbehave(
        &self,
        mut stream: Box<dyn Duplex>,
        socket: socket2::Socket,
        whole: Vec<u8>,
    ) -> std::io::Result<()> {
        let half = whole.get(..whole.len() / 2).unwrap_or_default();
        match self.manner {
            Manner::Closes => {
                say(&mut stream, half).await?;
                stream.shutdown().await?;
                drain(&mut stream).await;
            }
            Manner::Resets => {
                say(&mut stream, half).await?;
                socket.set_linger(Some(Duration::ZERO))?;
                drop((stream, socket));
            }
            Manner::Hangs => {
                say(&mut stream, half).await?;
                std::future::pending::<()>().await;
            }
            Manner::Drips => {
                let gap = self.patience.mul_f64(1.5 / whole.len().max(1) as f64);
                for byte in &whole {
                    say(&mut stream, &[*byte]).await?;
                    tokio::time::sleep(gap).await;
                }
                std::future::pending::<()>().await;
            }
            Manner::Floods => {
                say(&mut stream, half).await?;
                let water = [b'x'; 65_536];
                while self.delivered.fetch_add(water.len(), Ordering::Relaxed) < GIGABYTE {
                    stream.write_all(&water).await?;
                }
            }
            Manner::Babbles => {
                say(&mut stream, NONSENSE).await?;
                stream.shutdown().await?;
                drain(&mut stream).await;
            }
            Manner::OtherName | Manner::OtherAuthority | Manner::Ended => {
                let acceptor = self.certificates.of(self.manner, self.http2);
                drain(&mut acceptor.accept(stream).await?).await;
            }
        }
        Ok(())
    }
}

fn named(line: &str, address: SocketAddr) -> Vec<u8> {
    line.replace("PORT", &address.port().to_string()).into_bytes()
}

async fn say(stream: &mut (impl AsyncWrite + Unpin + ?Sized), bytes: &[u8]) -> std::io::Result<()> {
    stream.write_all(bytes).await?;
    stream.flush().await
}

/// Reads until nobody says anything any more: to close over what was not read would be a reset.
async fn drain(stream: &mut (impl AsyncRead + Unpin + ?Sized)) {
    let mut heard = vec![0; 65_536];
    while stream.read(&mut heard).await.is_ok_and(|length| length > 0) {}
}
