//! The real binary against a real endpoint that asks who calls.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Output;

use netpoller::inspect::{Builder, Server, Tls};
use netpoller_tests::program::{isolated, netpoller};
use netpoller_tests::tool;
use tempfile::TempDir;

const TOKEN: &str = "f00dcafe0123456789abcdef01234567";

/// An authority, and what it has certified.
struct Authority {
    directory: TempDir,
}

impl Authority {
    fn new() -> Self {
        let mut params = rcgen::CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let key = rcgen::KeyPair::generate().expect("a key");
        let issuer = rcgen::CertifiedIssuer::self_signed(params, key).expect("an authority");
        let authority = Self {
            directory: TempDir::new().expect("make a directory"),
        };
        authority.write("ca.crt", &issuer.pem());
        for (name, host) in [("server", "node7.example"), ("client", "inspector.example")] {
            let params = rcgen::CertificateParams::new(vec![host.to_owned()]).expect("a name");
            let key = rcgen::KeyPair::generate().expect("a key");
            let certificate = params.signed_by(&key, &issuer).expect("a certificate");
            authority.write(&format!("{name}.crt"), &certificate.pem());
            authority.write(&format!("{name}.key"), &key.serialize_pem());
        }
        authority.write("token", TOKEN);
        authority.write("wrong", &TOKEN.replace('0', "1"));
        authority
    }

    fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn path(&self, name: &str) -> String {
        self.file(name).display().to_string()
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.file(name);
        fs::write(&path, text).expect("write a file");
        set_mode(&path, 0o600);
    }

    fn tls(&self) -> Tls {
        Tls::from_pem(self.file("server.crt"), self.file("server.key")).expect("a certificate")
    }
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("set a mode");
}

fn start(builder: impl FnOnce(Builder) -> Builder) -> Server {
    let address = "tcp:127.0.0.1:0".parse().expect("an address");
    builder(Server::builder().listen(address))
        .start()
        .expect("start")
}

/// `netpoller stats` on the endpoint, with an environment of its own.
fn ask(scheme: &str, server: &Server, flags: &[&str]) -> Output {
    let address = server.target().strip_prefix("tcp:").expect("TCP");
    let scratch = TempDir::new().expect("make a directory");
    netpoller(scratch.path())
        .args(["-t", &format!("{scheme}://{address}"), "ls", "pollers"])
        .args(flags)
        .output()
        .expect("run netpoller")
}

#[track_caller]
fn assert_answered(output: &Output) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
}

#[track_caller]
fn assert_fails(output: &Output, code: i32, words: &[&str]) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{said}");
    for word in words {
        assert!(said.contains(word), "`{word}` is missing in: {said}");
    }
    assert!(!said.contains(TOKEN), "{said}");
}

#[test]
fn a_token_is_shown_from_its_file_and_what_is_wrong_with_it_is_told() {
    let files = Authority::new();
    let server = start(|builder| builder.token_file(files.file("token")));
    let (token, wrong) = (files.path("token"), files.path("wrong"));
    assert_answered(&ask("http", &server, &["--token-file", &token]));
    let missing = ask("http", &server, &[]);
    assert_fails(&missing, 4, &["asks for a token", "--token-file PATH"]);
    let wrong = ask("http", &server, &["--token-file", &wrong]);
    assert_fails(&wrong, 4, &["is not the one that the endpoint has"]);

    files.write("empty", "\n");
    let empty = ask("http", &server, &["--token-file", &files.path("empty")]);
    assert_fails(&empty, 2, &["holds no token"]);
    set_mode(&files.file("token"), 0o644);
    let open = ask("http", &server, &["--token-file", &token]);
    assert_fails(&open, 2, &["mode 644", "chmod 600"]);
}

#[test]
fn the_environment_names_the_token_too() {
    let files = Authority::new();
    let server = start(|builder| builder.token_file(files.file("token")));
    let address = server.target().strip_prefix("tcp:").expect("TCP");
    let output = netpoller(files.directory.path())
        .env("NETPOLLER_TARGET", format!("tcp:{address}"))
        .env("NETPOLLER_TOKEN_FILE", files.file("token"))
        .output()
        .expect("run netpoller");
    assert_answered(&output);
}

#[test]
fn a_token_does_not_leave_the_machine_in_clear() {
    let files = Authority::new();
    let (token, missing) = (files.path("token"), files.path("none"));
    // Nobody may have these addresses. They are not even asked for a name, and the file is not
    // read.
    for target in ["http://192.0.2.7:6670", "tcp:[2001:db8::7]:6670"] {
        let run = |name: &str, path: &str, arguments: &[&str]| {
            netpoller(files.directory.path())
                .env(name, path)
                .args(["--timeout", "1s"])
                .args(arguments)
                .output()
                .expect("run netpoller")
        };
        let named = target.replace("tcp:", "http://");
        let look = ["-t", target, "ls"];
        for output in [
            run(
                "TERM",
                "dumb",
                &[&look[..], &["--token-file", &token]].concat(),
            ),
            run("NETPOLLER_TOKEN_FILE", &token, &look),
            run("NETPOLLER_TOKEN_FILE", &missing, &look),
        ] {
            let words = [
                &*named,
                "in clear",
                "use https://",
                "leave out --token-file (NETPOLLER_TOKEN_FILE)",
            ];
            assert_fails(&output, 2, &words);
        }
        let act = ["break", "any", "--control", target];
        let flag = [&act[..], &["--control-token-file", &token]].concat();
        for output in [
            run("TERM", "dumb", &flag),
            run("NETPOLLER_CONTROL_TOKEN_FILE", &token, &act),
        ] {
            let words = [
                &*named,
                "in clear",
                "leave out --control-token-file (NETPOLLER_CONTROL_TOKEN_FILE)",
            ];
            assert_fails(&output, 2, &words);
        }
    }

    // To the loopback it is sent, whatever that is called; not everybody there listens by each
    // name.
    let server = start(|builder| builder.token_file(files.file("token")));
    let shown = ask("http", &server, &["--token-file", &token]);
    assert_answered(&shown);
    let address = server.target().strip_prefix("tcp:").expect("TCP");
    let port = address.rsplit_once(':').expect("a port").1;
    for host in ["[::ffff:127.0.0.1]", "[::1]", "localhost"] {
        let output = netpoller(files.directory.path())
            .args(["-t", &format!("http://{host}:{port}"), "ls", "pollers"])
            .args(["--token-file", &token])
            .output()
            .expect("run netpoller");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!said.contains("in clear"), "{host}: {said}");
    }
}

#[test]
fn over_tls_the_endpoint_is_known_by_its_authority_and_name() {
    let files = Authority::new();
    let server = start(|builder| builder.tls(files.tls()));
    let ca = files.path("ca.crt");
    let named = ["--tls-ca", &ca, "--tls-name", "node7.example"];
    assert_answered(&ask("https", &server, &named));

    let unnamed = ask("https", &server, &["--tls-ca", &ca]);
    assert_fails(&unnamed, 4, &["TLS", "another name", "--tls-name"]);
    let without = ask("https", &server, &[]);
    assert_fails(&without, 2, &["--tls-ca PATH"]);
    let other = Authority::new().path("ca.crt");
    let gone = ask("https", &server, &["--tls-ca", &other]);
    assert_fails(&gone, 2, &["No such file"]);
    let other = Authority::new();
    let distrusted = [
        "--tls-ca",
        &other.path("ca.crt"),
        "--tls-name",
        "node7.example",
    ];
    let distrusted = ask("https", &server, &distrusted);
    assert_fails(&distrusted, 4, &["not of the authority in --tls-ca"]);
    let plain = ask("http", &server, &[]);
    assert_fails(&plain, 4, &["https://"]);
    let open = start(|builder| builder);
    let no_tls = ask("https", &open, &named);
    assert_fails(&no_tls, 4, &["cannot connect"]);
}

#[test]
fn a_certificate_is_shown_if_the_endpoint_asks_for_one() {
    let files = Authority::new();
    let server = start(|builder| builder.tls(files.tls()).client_ca(files.file("ca.crt")));
    let (ca, certificate, key) = (
        files.path("ca.crt"),
        files.path("client.crt"),
        files.path("client.key"),
    );
    let trusted = ["--tls-ca", &ca, "--tls-name", "node7.example"];
    let shown = ["--tls-cert", &certificate, "--tls-key", &key];
    assert_answered(&ask("https", &server, &[trusted, shown].concat()));

    let missing = ask("https", &server, &trusted);
    assert_fails(&missing, 4, &["--tls-cert"]);
    let half = ["--tls-cert", &certificate];
    let half = ask("https", &server, &[&trusted[..], &half].concat());
    assert_fails(&half, 2, &["--tls-key"]);
    let stranger = Authority::new();
    let (certificate, other_key) = (stranger.path("client.crt"), stranger.path("client.key"));
    let strange = ["--tls-cert", &certificate, "--tls-key", &other_key];
    let strange = ask("https", &server, &[trusted, strange].concat());
    assert_fails(&strange, 4, &["the authority that the service trusts"]);
    let mixed = ["--tls-cert", &certificate, "--tls-key", &key];
    let mixed = ask("https", &server, &[trusted, mixed].concat());
    assert_fails(&mixed, 2, &["does not fit"]);
    set_mode(&files.file("client.key"), 0o644);
    let open = ask("https", &server, &[trusted, shown].concat());
    assert_fails(&open, 2, &["chmod 600"]);
}

/// The block of SECURITY.md in which `word` occurs.
fn recipe(word: &str) -> String {
    let text = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../SECURITY.md"));
    let text = text.expect("read SECURITY.md");
    let block = text
        .split("```")
        .find(|block| block.starts_with("sh\n") && block.contains(word));
    block
        .expect("the recipe")
        .trim_start_matches("sh\n")
        .to_owned()
}

#[test]
#[ignore = "needs openssl"]
fn the_certificates_that_security_md_makes_let_in_whom_it_says() {
    let directory = TempDir::new().expect("make a directory");
    tool(&["openssl"]);
    let made = isolated("bash", directory.path())
        .args(["-euc", &recipe("openssl req -x509")])
        .current_dir(directory.path())
        .output()
        .expect("run bash");
    let said = String::from_utf8_lossy(&made.stderr);
    assert!(made.status.success(), "{said}");
    let file = |name: &str| directory.path().join(name);
    let server = start(|builder| {
        let tls = Tls::from_pem(file("node7.example.crt"), file("node7.example.key"));
        builder
            .tls(tls.expect("a certificate"))
            .client_ca(file("ca.crt"))
    });
    let line = recipe("netpoller -t https://");
    let flags = line
        .trim()
        .strip_prefix("netpoller -t https://node7.example:6670 ")
        .expect("the line of the command");
    let flags: Vec<String> = flags
        .split(' ')
        .map(|word| match word.starts_with("--") {
            true => word.to_owned(),
            false => file(word).display().to_string(),
        })
        .collect();
    let mut flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    // There is no such host here.
    flags.extend(["--tls-name", "node7.example"]);
    assert_answered(&ask("https", &server, &flags));
    assert_fails(&ask("https", &server, &flags[..2]), 4, &["another name"]);
}

#[test]
fn control_is_shown_its_own_token_and_never_that_of_the_endpoint_that_shows() {
    let files = Authority::new();
    let server = start(|builder| {
        builder
            .token_file(files.file("token"))
            .control("tcp:127.0.0.1:0".parse().expect("an address"))
            .control_token_file(files.file("wrong"))
    });
    let poller = netpoller::Poller::builder().name("acted_upon").build();
    let _poller = poller.expect("a poller");
    let address = server.control_targets()[0].clone();
    let wake = |flags: &[&str]| {
        netpoller(files.directory.path())
            .args(["break", "acted_upon", "--control", &address])
            .args(flags)
            .output()
            .expect("run netpoller")
    };
    let (token, own) = (files.path("token"), files.path("wrong"));
    assert_answered(&wake(&["--control-token-file", &own]));
    for flags in [
        &[][..],
        &["--token-file", &own],
        &["--control-token-file", &token],
    ] {
        assert_fails(&wake(flags), 4, &["--control-token-file PATH"]);
    }
}
