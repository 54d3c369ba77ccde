//! `oracle random`: hunts for scripts to which Go and our poller have different answers.

use std::time::{SystemTime, UNIX_EPOCH};

use netpoller_tests::oracle::{Found, Go, Hunt, random_script};

use super::args::RandomArgs;
use super::failure::Failure;

pub(crate) fn hunt(args: &RandomArgs) -> Result<(), Failure> {
    let seed = args.seed.unwrap_or_else(|| {
        // Any number does; before 1970 it is 0.
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        since.map_or(0, |since| since.as_secs())
    });
    if args.print {
        for number in 0..args.count {
            print!("{}", random_script(seed.wrapping_add(number as u64)));
        }
        return Ok(());
    }
    println!("random scripts from seed {seed} on");
    let runtime = |error: &dyn std::fmt::Display| Failure::Runtime(error.to_string());
    let go = Go::build(&args.go, &super::go_source()).map_err(|e| runtime(&e))?;
    let hunt = Hunt {
        count: args.count,
        seed,
        form: args.form,
        threads: args.threads.map(usize::from),
        jobs: usize::from(args.jobs),
    };
    let count = args.count;
    let report = |done| eprintln!("oracle: {done} of {count}");
    let found = hunt.run(&go, report).map_err(|e| runtime(&e))?;
    if found.is_empty() {
        println!("{count} random scripts agree with Go");
        return Ok(());
    }
    for found in &found {
        keep(args, found)?;
    }
    Err(Failure::Findings(format!(
        "{} of {count} random scripts differ; run one again with --count 1 --seed N",
        found.len()
    )))
}

/// Writes a mismatch where it is kept.
fn keep(args: &RandomArgs, found: &Found) -> Result<(), Failure> {
    let (form, threads) = found.how;
    println!(
        "seed {}, form {form}, {threads} threads: {}",
        found.seed, found.difference
    );
    print!("{}", found.script);
    let path = args.keep.join(format!("{}.txt", found.seed));
    let write = || {
        std::fs::create_dir_all(&args.keep)?;
        std::fs::write(&path, &found.script)?;
        std::fs::write(path.with_extension("golden"), &found.go)
    };
    write()
        .map_err(|error| Failure::Runtime(format!("cannot write {}: {error}", path.display())))?;
    println!("kept as {}", path.display());
    Ok(())
}
