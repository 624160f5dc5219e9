import { CorsSlot } from '@weft/decision';
import type { CorsRule } from '@weft/decision';
import { FieldId } from '@weft/http';
import type { Head } from '@weft/http';

/** Places before the slots of CORS. */
const CONTENT_TYPE = 0;
const REFUSED = 1;

/**
 * Values for the slots of a response that is translated, marked for other origins, or a refusal by the endpoint's sidecar (`refused`:
 * its reason, else ''). Rare: allocated for each.
 */
export function fillResponseSlots(
  request: Head,
  contentType: string | undefined,
  cors: CorsRule | null,
  refused: string,
): (string | undefined)[] {
  const slots: (string | undefined)[] = [undefined, undefined, undefined, undefined, undefined, undefined];
  slots[CONTENT_TYPE] = contentType;
  if (refused !== '') slots[REFUSED] = refused;
  if (cors === null) return slots;
  slots[CorsSlot.Vary] = cors.vary;
  const index = request.field(FieldId.Origin);
  const allowed = index < 0 ? undefined : cors.allowedOrigin(request.value(index));
  if (allowed === undefined) return slots;
  slots[CorsSlot.AllowOrigin] = allowed;
  slots[CorsSlot.AllowCredentials] = cors.credentials;
  slots[CorsSlot.ExposeHeaders] = cors.exposeHeaders;
  return slots;
}
