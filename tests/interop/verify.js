// Verify sigstore bundles with one public key and no transparency log: node verify.js KEY.der FILE...
const { createPublicKey } = require('crypto');
const { readFileSync } = require('fs');
const { bundleFromJSON } = require('@sigstore/bundle');
const { Verifier, toSignedEntity, toTrustMaterial } = require('@sigstore/verify');

const [keyFile, ...files] = process.argv.slice(2);
const publicKey = createPublicKey({ key: readFileSync(keyFile), format: 'der', type: 'spki' });
const root = { tlogs: [], ctlogs: [], certificateAuthorities: [], timestampAuthorities: [] };
const trust = toTrustMaterial(root, () => ({ publicKey, validFor: () => true }));
const none = { tlogThreshold: 0, ctlogThreshold: 0, tsaThreshold: 0, timestampThreshold: 0 };
for (const file of files) {
  try {
    const bundle = bundleFromJSON(JSON.parse(readFileSync(file, 'utf8')));
    new Verifier(trust, none).verify(toSignedEntity(bundle));
    console.log('accepted');
  } catch (error) {
    console.log(`refused: ${error.message}`);
  }
}
