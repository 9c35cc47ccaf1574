//! What the tasks need beside Rust, and how it gets there.

use std::process::Command;

use crate::steps::{Steps, cargo, shown};

/// Something that has to be on the machine.
pub(crate) struct Need {
    what: &'static str,
    /// A quick command that succeeds when it is there.
    probe: &'static [&'static str],
    /// What a line of the probe's output has to say. Empty: success is enough.
    says: &'static str,
    install: Install,
}

enum Install {
    /// A Debian package.
    Apt(&'static str),
    /// A program from crates.io, in the version that this repository was tried with, and a
    /// rough time to build it on two cores.
    Cargo(&'static str, &'static str, &'static str),
    /// Arguments of `rustup`.
    Rustup(&'static [&'static str]),
}

pub(crate) const FORMATTER: Need = Need {
    what: "rustfmt",
    probe: &["cargo", "fmt", "--version"],
    says: "",
    install: Install::Rustup(&["component", "add", "rustfmt"]),
};

pub(crate) const LINTER: Need = Need {
    what: "clippy",
    probe: &["cargo", "clippy", "--version"],
    says: "",
    install: Install::Rustup(&["component", "add", "clippy"]),
};

/// A microcontroller without an operating system (Cortex-M4F).
pub(crate) const EMBEDDED: &str = "thumbv7em-none-eabihf";

pub(crate) const EMBEDDED_TARGET: Need = Need {
    what: "the embedded target",
    probe: &["rustup", "target", "list", "--installed"],
    says: EMBEDDED,
    install: Install::Rustup(&["target", "add", EMBEDDED]),
};

pub(crate) const DENY: Need = Need {
    what: "cargo-deny",
    probe: &["cargo", "deny", "--version"],
    says: "",
    install: Install::Cargo("cargo-deny", "0.20.2", "2 minutes"),
};

/// For the tests themselves, which start these on free ports of the loopback and end them.
pub(crate) const FOR_TESTS: &[Need] = &[
    Need {
        what: "mosquitto, an MQTT broker",
        // Debian puts it where only root's PATH leads.
        probe: &["sh", "-c", "PATH=$PATH:/usr/sbin mosquitto -h; true"],
        says: "mosquitto version",
        install: Install::Apt("mosquitto"),
    },
    Need {
        what: "mosquitto_pub, which speaks to it",
        probe: &["sh", "-c", "mosquitto_pub --help; true"],
        says: "mosquitto_pub is",
        install: Install::Apt("mosquitto-clients"),
    },
    Need {
        what: "nats-server",
        probe: &["nats-server", "--version"],
        says: "nats-server",
        install: Install::Apt("nats-server"),
    },
    Need {
        what: "socat, which joins pseudo-terminals",
        probe: &["socat", "-V"],
        says: "socat version",
        install: Install::Apt("socat"),
    },
];

pub(crate) const FOR_FIRMWARE: &[Need] = &[
    EMBEDDED_TARGET,
    Need {
        what: "qemu-system-arm, which emulates a microcontroller",
        probe: &["qemu-system-arm", "--version"],
        says: "",
        install: Install::Apt("qemu-system-arm"),
    },
];

pub(crate) const FOR_FUZZING: &[Need] = &[
    Need {
        what: "a C++ compiler, which builds libFuzzer",
        probe: &["g++", "--version"],
        says: "",
        install: Install::Apt("g++"),
    },
    Need {
        what: "cargo-fuzz",
        probe: &["cargo", "fuzz", "--version"],
        says: "",
        install: Install::Cargo("cargo-fuzz", "0.13.2", "half a minute"),
    },
];

/// Makes sure that all of it is there; installs what is missing.
pub(crate) fn ensure(steps: &mut Steps, needs: &[Need]) -> Result<(), String> {
    let missing: Vec<&Need> = needs.iter().filter(|need| !present(need)).collect();
    let packages = missing.iter().filter_map(|need| match need.install {
        Install::Apt(package) => Some(package),
        _ => None,
    });
    install_packages(steps, &packages.collect::<Vec<_>>())?;
    for need in missing {
        match need.install {
            Install::Apt(_) => {}
            Install::Cargo(name, version, time) => {
                eprintln!("{name} is missing and is built from source, once: about {time}.");
                steps.run(&mut cargo(&["install", "--locked", name, "--version", version]))?;
            }
            Install::Rustup(args) => steps.run(Command::new("rustup").args(args))?,
        }
    }
    Ok(())
}

fn present(need: &Need) -> bool {
    let found = answer(need.probe, need.says);
    match &found {
        Some(line) => eprintln!("have {}: {line}", need.what),
        None => eprintln!("missing: {}", need.what),
    }
    found.is_some()
}

/// The first line of the command's output that says so, if the command succeeds.
fn answer(probe: &[&str], says: &str) -> Option<String> {
    let (program, args) = probe.split_first()?;
    let output = Command::new(program).args(args).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().find(|line| line.contains(says));
    // A program may answer with success alone.
    let line = line.or(says.is_empty().then_some("yes")).map(|line| line.trim().to_owned());
    line.filter(|_| output.status.success())
}

fn install_packages(steps: &mut Steps, packages: &[&str]) -> Result<(), String> {
    if packages.is_empty() {
        return Ok(());
    }
    let mut install = vec!["install", "--yes", "--no-install-recommends"];
    install.extend(packages);
    let by_hand = shown(Command::new("sudo").arg("apt-get").args(&install));
    if answer(&["apt-get", "--version"], "").is_none() {
        return Err(format!(
            "This is no Debian. Install what is missing above with your package manager; \
             on Debian it is:\n    {by_hand}"
        ));
    }
    let prefix: &[&str] = if answer(&["id", "-u"], "").as_deref() == Some("0") {
        &[]
    } else if answer(&["sudo", "-n", "true"], "").is_some() {
        &["sudo", "-n"]
    } else {
        return Err(format!(
            "Packages are missing, and only root can install them:\n    {by_hand}"
        ));
    };
    // Lists that are absent or old make an install fail.
    steps.run(&mut apt_get(prefix, &["update"]))?;
    steps.run(&mut apt_get(prefix, &install))
}

fn apt_get(prefix: &[&str], args: &[&str]) -> Command {
    // `env` because sudo drops variables.
    let quiet = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "--quiet"];
    let mut words = prefix.iter().copied().chain(quiet).chain(args.iter().copied());
    let mut command = Command::new(words.next().unwrap_or("env"));
    command.args(words);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_answers_with_the_line_that_says_so() {
        let probe = &["printf", "one\ntwo target\n"];
        assert_eq!(answer(probe, "target").as_deref(), Some("two target"));
        assert_eq!(answer(probe, "absent"), None);
        assert_eq!(answer(&["true"], "").as_deref(), Some("yes"));
        assert_eq!(answer(&["false"], ""), None);
        assert_eq!(answer(&["no-such-program-here"], ""), None);
    }

    #[test]
    fn sudo_keeps_the_installer_from_asking() {
        assert_eq!(
            shown(&apt_get(&["sudo", "-n"], &["update"])),
            "sudo -n env DEBIAN_FRONTEND=noninteractive apt-get --quiet update"
        );
    }
}
