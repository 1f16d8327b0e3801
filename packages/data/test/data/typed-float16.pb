
*€p€€ÿ÷Bfloat16