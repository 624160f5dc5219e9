/** Of all packages of Weft, which are released together; a test holds it against package.json. */
export const weftVersion = '0.1.0';
