//! The pool of one member, which here is a server that lets everybody in and answers nothing.

use std::sync::atomic::AtomicBool;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::sleep,
};

use super::*;
use crate::{
    backend::Account,
    pool::Identities,
    wire::{Capabilities, Extensions, StatusFlags, auth::NATIVE, greeting::Greeting, packet::put_message},
};

const SOON: Duration = Duration::from_millis(100);

/// How many connections the member has, and had at most.
#[derive(Debug, Default)]
struct Member {
    now: AtomicUsize,
    most: AtomicUsize,
    is_slow: AtomicBool,
}

impl Member {
    async fn start() -> (SocketAddr, Arc<Self>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let member = Arc::new(Member::default());
        let serving = Arc::clone(&member);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(Arc::clone(&serving).serve(stream));
            }
        });
        (address, member)
    }

    async fn serve(self: Arc<Self>, mut stream: TcpStream) {
        let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
        let greeting = Greeting {
            version: "10.11.0-MariaDB".to_owned(),
            thread_id: 1,
            salt: [b'x'; 20],
            capabilities: Capabilities::PROTOCOL_41 | Capabilities::PLUGIN_AUTH | Capabilities::SECURE_CONNECTION,
            extensions: Extensions::empty(),
            collation: 45,
            status: StatusFlags::AUTOCOMMIT,
            plugin: NATIVE.to_owned(),
        };
        let mut out = Vec::new();
        put_message(&mut out, 0, &greeting.encode());
        stream.write_all(&out).await.unwrap();
        let mut buffer = [0; 4096];
        assert!(stream.read(&mut buffer).await.unwrap() > 0);
        if self.is_slow.load(Ordering::SeqCst) {
            sleep(SOON).await;
        }
        let mut out = Vec::new();
        put_message(&mut out, 2, &[0, 0, 0, 2, 0, 0, 0]);
        let _ = stream.write_all(&out).await;
        while stream.read(&mut buffer).await.is_ok_and(|count| count > 0) {}
        self.now.fetch_sub(1, Ordering::SeqCst);
    }
}

struct World {
    member: Arc<Member>,
    pool: Arc<MemberPool<()>>,
    identities: Vec<Arc<Identity>>,
}

async fn world(limit: usize) -> World {
    let (address, member) = Member::start().await;
    let settings = PoolSettings {
        road: crate::backend::Road::open(),
        max_backend_connections: limit,
        acquire_timeout: Duration::from_secs(5),
        connect_timeout: Duration::from_secs(5),
        idle_timeout: Duration::from_secs(60),
    };
    let identities = Identities::default();
    let identity = |user: &str| {
        let account = Account::with_password(user.as_bytes(), b"");
        identities.intern(&account, (Capabilities::empty(), Extensions::empty()), 45)
    };
    World {
        member,
        pool: Arc::new(MemberPool::new(address, settings, Arc::default())),
        identities: ["one", "two", "three"].map(identity).to_vec(),
    }
}

impl World {
    async fn lease(&self, who: usize) -> Result<Lease<()>, LeaseError> {
        let wish = Wish { can: |(): &()| true, last: None, fits: |(): &()| true };
        self.pool.lease(&self.identities[who], wish).await
    }
}

async fn eventually(what: &str, holds: impl Fn() -> bool) {
    let limit = Instant::now() + Duration::from_secs(5);
    while !holds() {
        assert!(Instant::now() < limit, "never: {what}");
        sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test]
async fn what_its_member_is_about_to_end_is_not_used_again() {
    let world = world(4).await;
    let limit = Duration::from_millis(400);
    let lease = world.lease(0).await.unwrap();
    let id = lease.id();
    lease.release(limit);
    let lease = world.lease(0).await.unwrap();
    assert_eq!(lease.id(), id);
    lease.release(limit);
    sleep(limit * 7 / 8).await;
    let lease = world.lease(0).await.unwrap();
    assert_ne!(lease.id(), id);
    lease.release(limit);
    world.pool.trim();
    assert_eq!(world.pool.counts().idle, 1);
    sleep(limit).await;
    world.pool.trim();
    assert_eq!(world.pool.counts().idle, 0);
}

#[tokio::test]
async fn a_dropped_lease_closes_its_connection_and_a_released_one_is_idle() {
    let world = world(4).await;
    let lease = world.lease(0).await.unwrap();
    let id = lease.id();
    lease.release(Duration::MAX);
    assert_eq!(world.pool.counts(), Counts { in_use: 0, idle: 1, changing: 0 });
    let lease = world.lease(0).await.unwrap();
    assert_eq!(lease.id(), id);
    drop(lease);
    assert_eq!(world.pool.counts().idle, 0);
    eventually("closed", || world.member.now.load(Ordering::SeqCst) == 0).await;
    eventually("its place is free", || world.pool.counts().changing == 0).await;
}

#[tokio::test]
async fn a_panic_closes_the_connection() {
    let world = world(4).await;
    let lease = world.lease(0).await.unwrap();
    let panicked = tokio::spawn(async move {
        let _lease = lease;
        panic!("as a bug in a client's task would");
    });
    assert!(panicked.await.unwrap_err().is_panic());
    assert_eq!((world.pool.counts().in_use, world.pool.counts().idle), (0, 0));
}

#[tokio::test]
async fn who_gives_up_leaves_no_login_half_done() {
    let world = world(4).await;
    world.member.is_slow.store(true, Ordering::SeqCst);
    assert!(timeout(SOON / 4, world.lease(0)).await.is_err());
    assert_eq!(world.pool.counts(), Counts { in_use: 0, idle: 0, changing: 1 });
    eventually("idle", || world.pool.counts() == Counts { in_use: 0, idle: 1, changing: 0 }).await;
}

#[tokio::test]
async fn guests_count_and_leave_room() {
    let world = world(8).await;
    let (one, two) = (world.pool.permit().await.unwrap(), world.pool.permit().await.unwrap());
    assert_eq!(world.pool.counts().in_use, 2);
    // A third waits, and keeps nobody else from a connection.
    assert!(timeout(SOON / 4, world.pool.permit()).await.is_err());
    let mut leases = Vec::new();
    for _ in 0..6 {
        leases.push(world.lease(0).await.unwrap());
    }
    assert!(timeout(SOON / 4, world.lease(0)).await.is_err());
    drop(one);
    leases.push(world.lease(0).await.unwrap());
    drop((two, leases));
    eventually("all are free", || world.pool.counts() == Counts { in_use: 0, idle: 0, changing: 0 }).await;
}

/// Sessions of several accounts, more than there may be connections, of which some give up or end badly.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn there_are_never_more_connections_than_the_limit_and_nobody_waits_for_ever() {
    let world = Arc::new(world(3).await);
    let sessions: Vec<_> = (0..24_usize)
        .map(|session| {
            let world = Arc::clone(&world);
            tokio::spawn(async move {
                for turn in 0..40_usize {
                    let chance = (session * 31 + turn * 17) % 23;
                    if chance == 5 {
                        let _ = timeout(Duration::from_micros(300), world.lease(chance % 3)).await;
                        continue;
                    }
                    if chance == 6 {
                        drop(world.pool.permit().await.unwrap());
                    }
                    let lease = world.lease(chance % 3).await.unwrap();
                    tokio::task::yield_now().await;
                    match chance {
                        1 => drop(lease),
                        2 => lease.discard(),
                        _ => lease.release(Duration::MAX),
                    }
                }
            })
        })
        .collect();
    for session in sessions {
        session.await.unwrap();
    }
    let most = world.member.most.load(Ordering::SeqCst);
    assert!(most <= 3, "{most}");
    eventually("all are free", || {
        // Whoever gave up may have a connection that becomes idle only now.
        world.pool.clear();
        world.pool.counts() == Counts { in_use: 0, idle: 0, changing: 0 }
    })
    .await;
    assert_eq!(world.pool.turns.available(), 3);
}
