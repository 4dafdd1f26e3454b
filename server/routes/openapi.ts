import { Router } from 'express';
import { refuseMethod } from '../answer-errors.ts';
import { openApiDocument } from '../openapi/document.ts';

/** The description of the whole interface for tools, without a token. */
export function openApiRoute(): Router {
  const router = Router();
  let text: string | undefined;
  router
    .route('/api/v1/openapi.json')
    .get((_request, response) => {
      text ??= JSON.stringify(openApiDocument());
      response.type('application/json').send(text);
    })
    .all(refuseMethod('GET'));
  return router;
}
