/** A public key as TUF metadata holds it; the profile allows these three schemes and no other field. */
export type Key =
  | {
      readonly keytype: 'ed25519';
      readonly scheme: 'ed25519';
      /** 32 bytes in lower-case hex. */
      readonly keyval: { readonly public: string };
    }
  | {
      readonly keytype: 'ecdsa-sha2-nistp256';
      readonly scheme: 'ecdsa-sha2-nistp256';
      /** SubjectPublicKeyInfo as PEM. */
      readonly keyval: { readonly public: string };
    }
  | {
      readonly keytype: 'rsa';
      readonly scheme: 'rsassa-pss-sha256';
      /** SubjectPublicKeyInfo as PEM. */
      readonly keyval: { readonly public: string };
    };
