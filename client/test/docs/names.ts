/** Who reads the examples, and the component that they speak of. */
export const USER = '42';
export const HERO = '6f96b7a2-5c0e-4a57-9a52-0d3f1c1f5b1e';
