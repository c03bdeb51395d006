//! From the configuration to the engine's policies: one prepared sender for each endpoint.

use std::collections::HashMap;
use std::sync::Arc;

use anyhow::{Context, Result};

use crate::config::{Config, EndpointConfig, ShopConfig};
use crate::engine::{EndpointPolicy, Policies, ShopPolicy};
use crate::webhook::{AddressPolicy, Sender};

pub fn of(config: &Config) -> Result<Policies> {
    let mut shops = HashMap::new();
    for shop in &config.shops {
        shops.insert(shop.id.clone(), Arc::new(shop_policy(shop)?));
    }
    Ok(Policies { shops, links: config.links.clone() })
}

fn shop_policy(shop: &ShopConfig) -> Result<ShopPolicy> {
    let endpoints: Result<Vec<_>> = shop.endpoints.iter().map(|e| endpoint_policy(shop, e).map(Arc::new)).collect();
    Ok(ShopPolicy { program: shop.program.clone(), endpoints: endpoints? })
}

fn endpoint_policy(shop: &ShopConfig, endpoint: &EndpointConfig) -> Result<EndpointPolicy> {
    let sender = Sender::new(AddressPolicy { allow: endpoint.allow_networks.clone() })
        .with_context(|| format!("cannot prepare endpoint {}/{}", shop.id, endpoint.name))?;
    Ok(EndpointPolicy {
        name: endpoint.name.clone(),
        url: endpoint.url.clone(),
        secrets: endpoint.secrets.clone(),
        timeout: endpoint.timeout,
        concurrency: endpoint.concurrency,
        rate_limit: endpoint.rate_limit,
        disabled: endpoint.disabled,
        thin: endpoint.thin,
        sender: Arc::new(sender),
    })
}
