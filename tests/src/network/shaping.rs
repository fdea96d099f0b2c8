//! How a link drops and delays: by netem, or by filters where the kernel was built without netem.
//!
//! | | netem | filters |
//! |---|---|---|
//! | cut, loss | netem at the sender | a BPF filter where packets arrive |
//! | delay | netem at the sender, with a fifth of jitter | a token bucket at the sender: packets queue behind each other |

use std::time::Duration;

use super::LinkFault;
use super::isolation::Unavailable;
use super::tools::Batch;

/// The size of a request with its headers, about: what fills the bandwidth of a delayed link for the delay.
const REQUEST_BITS: u64 = 400 * 8;
/// A token bucket that is smaller than a packet would drop it.
const BURST: &str = "1600";

/// Classic BPF: a packet is dropped (2). The loss of a part compares a random number of 32 bits first.
const DROP: &str = "1,6 0 0 2";

/// How.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shaping {
    Netem,
    Filters,
}

/// An interface.
#[derive(Debug)]
pub(super) struct Device(pub(super) String);

impl Shaping {
    /// What this kernel can do, netem first.
    pub(super) fn detect() -> Result<Self, Unavailable> {
        let mut link = Batch::ip(None);
        link.line("link add trial0 type veth peer name trial1");
        link.run_blocking().map_err(Unavailable::new)?;
        let tried = Self::try_each();
        let mut link = Batch::ip(None);
        link.line("link del trial0");
        link.run_blocking().map_err(Unavailable::new)?;
        tried
    }

    fn try_each() -> Result<Self, Unavailable> {
        let device = Device("trial0".into());
        let faults = [
            LinkFault::Cut,
            LinkFault::Loss(10),
            LinkFault::Delay(Duration::from_millis(10)),
        ];
        let works = |shaping: Self| {
            faults.iter().try_for_each(|fault| {
                let mut batch = Batch::tc(None);
                shaping.impose(*fault, &device, &mut batch);
                shaping.lift(*fault, &device, &mut batch);
                batch.run_blocking()
            })
        };
        let Err(netem) = works(Self::Netem) else {
            return Ok(Self::Netem);
        };
        match works(Self::Filters) {
            Ok(()) => Ok(Self::Filters),
            Err(filters) => Err(Unavailable::new(format!(
                "the kernel cannot drop and delay packets, neither with netem ({netem}) nor with filters ({filters})"
            ))),
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Netem => "netem",
            Self::Filters => "BPF filters and token buckets, since this kernel has no netem",
        }
    }

    /// Whether a fault is made where packets leave, and not where they arrive.
    pub(super) fn is_at_sender(self, fault: LinkFault) -> bool {
        match self {
            Self::Netem => true,
            Self::Filters => matches!(fault, LinkFault::Delay(_)),
        }
    }

    pub(super) fn impose(self, fault: LinkFault, Device(device): &Device, batch: &mut Batch) {
        let discipline = match (self, fault) {
            (Self::Netem, LinkFault::Cut) => "netem loss 100%".to_owned(),
            (Self::Netem, LinkFault::Loss(percent)) => format!("netem loss {percent}%"),
            (Self::Netem, LinkFault::Delay(delay)) => {
                let us = delay.as_micros();
                format!("netem delay {us}us {}us", us / 5)
            }
            (Self::Filters, LinkFault::Delay(delay)) => {
                let rate =
                    REQUEST_BITS * 1_000 / u64::try_from(delay.as_millis().max(1)).unwrap_or(1_000);
                format!("tbf rate {rate}bit burst {BURST} limit 256kb")
            }
            (Self::Filters, LinkFault::Cut) => return filter(device, DROP, batch),
            (Self::Filters, LinkFault::Loss(percent)) => {
                return filter(device, &drop_some(percent), batch);
            }
        };
        batch.line(&format!("qdisc add dev {device} root {discipline}"));
    }

    /// Shows what was done, and ends it.
    pub(super) fn lift(self, fault: LinkFault, Device(device): &Device, batch: &mut Batch) {
        let place = if self.is_at_sender(fault) {
            "root"
        } else {
            "clsact"
        };
        batch.line(&format!("qdisc show dev {device}"));
        batch.line(&format!("qdisc del dev {device} {place}"));
    }
}

fn filter(device: &str, bytecode: &str, batch: &mut Batch) {
    batch.line(&format!("qdisc add dev {device} clsact"));
    batch.line(&format!(
        "filter add dev {device} ingress bpf direct-action bytecode '{bytecode}'"
    ));
}

/// Loads a random number; above the limit the packet is left alone, else dropped.
fn drop_some(percent: u8) -> String {
    let limit = u64::from(u32::MAX) * u64::from(percent.min(100)) / 100;
    format!("4,32 0 0 4294963256,37 1 0 {limit},6 0 0 2,6 0 0 4294967295")
}

/// How many packets the disciplines that `tc -s qdisc show` lists have dropped, or delayed.
pub(super) fn affected(fault: LinkFault, shown: &str) -> u64 {
    let (mut ours, mut sum) = (false, 0);
    for line in shown.lines() {
        if let Some(discipline) = line.strip_prefix("qdisc ") {
            ours = ["netem", "tbf", "clsact"]
                .iter()
                .any(|name| discipline.starts_with(name));
        } else if let Some(sent) = line.trim().strip_prefix("Sent ").filter(|_| ours) {
            let mut words = sent
                .split([' ', '(', ')', ','])
                .filter(|word| !word.is_empty());
            // "76 bytes 1 pkt (dropped 1, .."
            let number = match fault {
                LinkFault::Delay(_) => words.nth(2),
                LinkFault::Cut | LinkFault::Loss(_) => words.nth(5),
            };
            sum += number
                .and_then(|number| number.parse::<u64>().ok())
                .unwrap_or(0);
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHOWN: &str = "\
qdisc noqueue 0: root refcnt 2
 Sent 9 bytes 9 pkt (dropped 9, overlimits 0 requeues 0)
qdisc clsact ffff: parent ffff:fff1
 Sent 760 bytes 10 pkt (dropped 7, overlimits 0 requeues 0)
 backlog 0b 0p requeues 0
qdisc netem 8001: root refcnt 2 limit 1000 delay 10ms
 Sent 152 bytes 2 pkt (dropped 1, overlimits 0 requeues 0)
";

    #[test]
    fn packets_of_faults_are_counted_and_no_others() {
        assert_eq!(affected(LinkFault::Cut, SHOWN), 8);
        let delay = LinkFault::Delay(Duration::from_millis(10));
        assert_eq!(affected(delay, SHOWN), 12);
    }

    #[test]
    fn a_loss_is_a_share_of_all_random_numbers() {
        assert!(drop_some(50).contains(" 2147483647,"), "{}", drop_some(50));
        assert!(drop_some(100).contains(" 4294967295,"));
    }
}
