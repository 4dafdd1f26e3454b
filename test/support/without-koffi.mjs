import { registerHooks } from 'node:module';

// Given to Node with --import: the process behaves as where `npm ci --omit=optional` left the package out.
registerHooks({
  resolve: (specifier, context, next) =>
    next(specifier === 'koffi' ? 'a-package-that-is-not-installed' : specifier, context),
});
