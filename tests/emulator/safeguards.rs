//! What keeps the emulator out of production.
//!
//! Beside these: a cloud on this machine has to be asked for by a name that shouts, and shares no
//! store with others' records (`tests/journeys/hostile/realms.rs`).

use std::env::current_exe;
use std::process::Command;

use cpv_consent::emulator::Emulator;
use cpv_consent::{Cloud, Origins};

use super::bench::{Bench, Outcome};

/// Run by the test below, in processes of their own.
#[tokio::test]
#[ignore = "a part of another test"]
async fn print_what_a_seed_yields() -> Outcome {
    let entra = Emulator::builder().seed(7).start().await?;
    let tenant = entra.add_tenant("Contoso");
    let user = entra.add_user(tenant, "admin@contoso.example");
    println!("\nWORLD {tenant} {} {} {}", user.id, user.password, user.code);
    let keys = format!("{}/{tenant}/discovery/v2.0/keys", entra.login_origin());
    let keys = reqwest::Client::builder().no_proxy().build()?.get(keys).send().await?;
    println!("KEYS {}", keys.text().await?);
    Ok(())
}

#[test]
fn a_seed_yields_the_same_world_and_never_the_same_key() -> Outcome {
    let [first, second] = [lines_of_a_child()?, lines_of_a_child()?];
    assert_eq!(first.0, second.0, "the world is the seed's");
    assert!(first.1.contains("\"n\":"), "{}", first.1);
    assert_ne!(modulus(&first.1), modulus(&second.1), "a signing key came from the seed");
    Ok(())
}

#[tokio::test]
async fn a_refresh_token_of_another_emulator_of_the_same_seed_is_worth_nothing() -> Outcome {
    let [one, other] = [Bench::seeded(7).await?, Bench::seeded(7).await?];
    assert_eq!((one.contoso, &one.admin), (other.contoso, &other.admin), "the seed's world");
    let token = one.refresh_token().await?;
    let contoso = one.contoso.to_string();
    assert_eq!(one.exchange(&contoso, &token, &[]).await?.status, 200);
    assert_eq!(other.exchange(&contoso, &token, &[]).await?.number(), 70_000);
    Ok(())
}

#[tokio::test]
async fn only_a_cloud_with_a_name_that_shouts_points_here() -> Outcome {
    let bench = Bench::new().await?;
    let origins = Origins {
        login: bench.entra.login_origin(),
        partner_center: bench.entra.partner_center_origin(),
        graph: bench.entra.graph_origin(),
    };
    assert!(Cloud::custom("emulator", origins).is_err());
    assert!(Cloud::danger_loopback("emulator", origins)?.is_loopback());
    Ok(())
}

/// What a seed yields in a process of its own: the world, and the keys.
fn lines_of_a_child() -> Result<(String, String), Box<dyn std::error::Error>> {
    let name = "safeguards::print_what_a_seed_yields";
    let child = Command::new(current_exe()?)
        .args([name, "--exact", "--ignored", "--nocapture", "--test-threads=1"])
        .output()?;
    let text = String::from_utf8(child.stdout)?;
    let line = |word: &str| {
        let found = text.lines().find(|line| line.starts_with(word)).map(str::to_owned);
        found.ok_or_else(|| format!("no line {word} in: {text}"))
    };
    Ok((line("WORLD")?, line("KEYS")?))
}

fn modulus(keys: &str) -> Option<&str> {
    keys.split("\"n\":\"").nth(1)?.split('"').next()
}
