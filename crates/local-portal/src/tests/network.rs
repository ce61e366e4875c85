use super::*;
use crate::network::Wanted;

const STATIC: &str = "mode=static&address=192.0.2.20/24&gateway=192.0.2.1&dns=198.51.100.53";
const NEW: &str = "192.0.2.20:8086";

/// What the box was told last.
fn wanted(world: &World) -> Wanted {
    // The portal that the test's world has is over this view alone.
    let portal = &world.portal;
    let network = portal.read(|pages| pages.network.clone());
    let trial = network.pending.map(|it| crate::network::Trial {
        plan: it.plan,
        until_ms: it.until_ms,
    });
    Wanted {
        id: network.id,
        kept: network.kept,
        trial,
    }
}

async fn keep_at(world: &World, cookie: &str, host: &str) -> Answer {
    let mut request = form_of("/network/keep", cookie)
        .body(Body::empty())
        .unwrap();
    let headers = request.headers_mut();
    headers.insert(header::HOST, host.parse().unwrap());
    let origin = format!("https://{host}").parse().unwrap();
    headers.insert(header::ORIGIN, origin);
    world.send(request).await
}

#[tokio::test]
async fn a_new_address_is_kept_by_whoever_confirms_it_there() {
    let world = World::with(&[Role::Administrator]).await;
    let cookie = world.sign_in(Role::Administrator).await;
    let page = world.get("/network", &cookie).await.body;
    assert!(page.contains("192.0.2.10/24") && page.contains("DHCP"));
    let tried = world.post("/network", &cookie, STATIC).await;
    assert_eq!((tried.status, &*tried.location), (303, "/network"));
    let trial = wanted(&world).trial.unwrap();
    assert_eq!(trial.until_ms, 1_790_000_060_000);
    assert_eq!(
        trial.plan.given_dns,
        ["192.0.2.53".parse::<std::net::IpAddr>().unwrap()]
    );
    let page = world.get("/network", &cookie).await.body;
    assert!(page.contains("https://192.0.2.20:8086/network") && page.contains("60 s"));
    // A second change, and a confirmation of the old address, have to wait.
    assert_eq!(world.post("/network", &cookie, STATIC).await.status, 409);
    let old = keep_at(&world, &cookie, "192.0.2.10:8086").await;
    assert_eq!(old.status, 409);
    assert!(old.body.contains("former address"));
    let kept = keep_at(&world, &cookie, NEW).await;
    assert_eq!(kept.status, 303, "{}", kept.body);
    let now = wanted(&world);
    assert_eq!(
        (now.trial, now.kept.unwrap().fixed),
        (None, trial.plan.fixed)
    );
    assert_eq!(keep_at(&world, &cookie, NEW).await.status, 409);
    let audit = world.get("/audit.jsonl", &cookie).await.body;
    assert!(audit.contains("try network") && audit.contains("keep network"));
}

#[tokio::test(start_paused = true)]
async fn what_nobody_confirms_in_a_minute_is_given_back() {
    let world = World::with(&[Role::Administrator]).await;
    let cookie = world.sign_in(Role::Administrator).await;
    world.post("/network", &cookie, STATIC).await;
    tokio::time::sleep(std::time::Duration::from_secs(59)).await;
    assert!(wanted(&world).trial.is_some());
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    // The file is written beside the runtime, whose clock does not wait for it.
    for _ in 0..500 {
        if wanted(&world).trial.is_none() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
        tokio::task::yield_now().await;
    }
    let now = wanted(&world);
    assert_eq!((now.trial, now.kept), (None, None));
    let cookie = world.sign_in(Role::Administrator).await;
    let page = world.get("/network", &cookie).await.body;
    assert!(page.contains("Nobody confirmed"), "{page}");
}

#[tokio::test]
async fn a_restart_in_the_middle_gives_the_former_setting_back() {
    let world = World::with(&[Role::Administrator]).await;
    let cookie = world.sign_in(Role::Administrator).await;
    world.post("/network", &cookie, STATIC).await;
    let view = Arc::new(Fixed(State3::Ok, FixedNetwork::default()));
    let dir = world.dir.path();
    let identity = web::Identity::open(dir, Vec::new(), Vec::new(), view.now_ms()).unwrap();
    let portal = Portal::open(dir, Arc::new(identity), Arc::clone(&view) as _).unwrap();
    let portal = Arc::new(portal);
    portal.settle_network().await.unwrap();
    let told = view.1.0.lock().unwrap().clone();
    assert_eq!(told.len(), 1);
    assert_eq!(
        (told[0].id, &told[0].kept, &told[0].trial),
        (2, &None, &None)
    );
    // A box that knows is not told again.
    portal.settle_network().await.unwrap();
    assert_eq!(view.1.0.lock().unwrap().len(), 1);
    let returned = portal.read(|pages| pages.network.returned.clone());
    assert_eq!(returned.unwrap().1, "net-returned-restart");
}

#[tokio::test]
async fn what_cannot_be_is_refused_at_its_field_with_what_was_typed() {
    let world = World::with(&[Role::Administrator]).await;
    let cookie = world.sign_in(Role::Administrator).await;
    for (form, said) in [
        (
            "mode=static&address=192.0.2.99/24&gateway=192.0.2.1",
            "52:54:00:12:35:02",
        ),
        (
            "mode=static&address=192.0.2.20/24&gateway=192.0.3.1",
            "a machine in the network",
        ),
        ("mode=none", "Choose one"),
        ("mode=dhcp&dns=%3Cb%3E", "&#60;b&#62;"),
        ("", "Choose one"),
    ] {
        let answer = world.post("/network", &cookie, form).await;
        assert_eq!(answer.status, 422, "{form}");
        assert!(answer.body.contains(said), "{form}: {}", answer.body);
        assert_eq!(wanted(&world).id, 0);
    }
}
