//! The resource of cert-manager, as far as our manifests use it; a field that is not here is an error.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::{Deserialize, Serialize};

/// `cert-manager.io/v1` `Certificate`
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Certificate {
    api_version: String,
    kind: String,
    metadata: ObjectMeta,
    spec: CertificateSpec,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct CertificateSpec {
    secret_name: String,
    duration: Option<String>,
    renew_before: Option<String>,
    private_key: Option<PrivateKey>,
    dns_names: Vec<String>,
    usages: Option<Vec<String>>,
    issuer_ref: IssuerRef,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct PrivateKey {
    algorithm: String,
    size: Option<u32>,
    rotation_policy: Option<String>,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct IssuerRef {
    kind: Option<String>,
    name: String,
    group: Option<String>,
}
