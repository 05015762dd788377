//! A certificate that others make: cert-manager, or a person.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::{Keeper, TICK};
use crate::plan::{self, Adoption};
use crate::{Bundle, Error, inspect, store, tls};

impl Keeper {
    /// Publishes the Secret's CA if that is the keeper's to do, and serves its certificate once clients trust it.
    pub(super) async fn keep_provided(&mut self, inject: bool) -> Result<Duration, Error> {
        let name = &self.options.leaf_secret;
        let secret = self.view.leaf.present().ok_or_else(|| Error::Missing(name.clone()))?;
        let (leaf, issuer) = (store::leaf(secret)?, store::text(secret, store::ISSUER)?);
        let chain = tls::certified_key(&leaf.certificate, &leaf.key)?.cert;
        let wanted = issuer.filter(|_| inject).map(|pem| Bundle::read(store::ISSUER, pem)).transpose()?;
        if let Some(wanted) = wanted.filter(|wanted| !self.view.carries(wanted)) {
            self.publish(&wanted).await?;
        }
        self.look();

        let now = Timestamp::now();
        let offered = self.verify(&chain, now);
        // While the bundles differ, the served one stays as long as somebody trusts it.
        let served = self.slot.chain().is_some_and(|chain| {
            let trusts = |bundle| inspect::trusted(&chain, &bundle, &self.options.server_name(), now).is_ok();
            self.view.bundles().any(trusts)
        });
        let same = self.slot.chain().is_some_and(|served| served == chain);
        let published = self.publication.seconds(Instant::now());
        match plan::adopt(offered.is_ok(), served, published) {
            _ if same => {}
            Adoption::Wait(seconds) => return Ok(Duration::from_secs(seconds.unsigned_abs())),
            Adoption::Refuse => {}
            Adoption::Serve => {
                self.slot.load(&leaf)?;
                tracing::info!(not_after = ?self.slot.not_after(), "serving a new certificate");
            }
        }
        offered.map(|()| TICK)
    }

    /// Whether clients trust this chain: with the bundle that all webhooks carry, by the name that API servers verify.
    fn verify(&self, chain: &[rustls::pki_types::CertificateDer<'_>], now: Timestamp) -> Result<(), Error> {
        let bundle = self.publication.bundle();
        let bundle =
            bundle.ok_or_else(|| Error::damaged("caBundle", "the webhooks have none, or not the same"))?;
        inspect::trusted(chain, bundle, &self.options.server_name(), now)
    }
}
